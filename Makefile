# `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= python3.11
BIN := .venv/bin
CLIENT := .venv-client/bin
IMAGE ?= sagemaker-gluoncv:cpu
IMAGE_GPU ?= sagemaker-gluoncv:gpu
# Of the images' labels; an archive of the sources has no commit.
LABELS = --build-arg VERSION=$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) \
	$(addprefix --build-arg REVISION=,$(shell git rev-parse HEAD 2>/dev/null)) \
	$(addprefix --build-arg CREATED=,$(shell git log -1 --format=%cI 2>/dev/null))
LIBRARIES := libgomp.so.1 libquadmath.so.0
SOURCES := src tests benchmarks local_test image serve/gunicorn.conf.py
SCRIPTS := $(wildcard *.sh local_test/*.sh) .ci/run
export PIP_DISABLE_PIP_VERSION_CHECK := 1
.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: demo
demo: .venv/ready ## draw pictures, train, serve, ask: no Docker, no AWS
	@$(BIN)/python local_test/demo.py

.PHONY: test
test: check ## everything: checks, unit, integration and, where a Docker engine runs, container tests
	$(BIN)/pytest tests/unit tests/integration
	@$(MAKE) --no-print-directory test-container

.PHONY: check
check: .venv/ready ## ruff, mypy, shellcheck (where installed)
	$(BIN)/ruff check $(SOURCES) train/train serve/serve
	$(BIN)/ruff format --check $(SOURCES) train/train serve/serve
	$(BIN)/mypy src
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); else echo "shellcheck is not installed: not run"; fi

# Without an engine there is nothing to test in; where there must be one (CI), its absence is a failure.
.PHONY: test-container
test-container: ## build both images and test them (needs a Docker engine)
	@if docker info >/dev/null 2>&1; then \
		$(MAKE) --no-print-directory image image-gpu .venv-client/ready && $(CLIENT)/pytest tests/container; \
	elif [ -n "$$CI" ]; then echo "no Docker engine answers: the container tests cannot run" >&2; exit 1; \
	else echo "NOT RUN: the container tests, because no Docker engine answers"; fi

.PHONY: image
image: ## build sagemaker-gluoncv:cpu (more flags for docker build in DOCKER_BUILD_FLAGS)
	DOCKER_BUILDKIT=1 docker build $(DOCKER_BUILD_FLAGS) $(LABELS) --tag $(IMAGE) .

.PHONY: image-gpu
image-gpu: ## build sagemaker-gluoncv:gpu (2 GB of downloads)
	DOCKER_BUILDKIT=1 docker build $(DOCKER_BUILD_FLAGS) $(LABELS) --file Dockerfile.gpu --tag $(IMAGE_GPU) .

.PHONY: image-sizes
image-sizes: ## print what fills the images
	@$(PYTHON) benchmarks/image_sizes.py $(IMAGE) $(IMAGE_GPU)

# The GPUs have to be seen twice: by this host, and by its containers, which takes the NVIDIA Container Toolkit.
.PHONY: gpu-check
gpu-check: ## test the GPU image on this host's GPUs, and print the figures for docs/gpu.md
	@nvidia-smi -L 2>/dev/null || { echo "NOT RUN: this host has no GPU (nvidia-smi -L finds none). Nothing was tested or measured" >&2; exit 1; }
	@docker info >/dev/null 2>&1 || { echo "NOT RUN: no Docker engine answers" >&2; exit 1; }
	@$(MAKE) --no-print-directory image-gpu .venv-client/ready
	@docker run --rm --gpus all $(IMAGE_GPU) true || { echo "NOT RUN: containers get no GPUs. Install the NVIDIA Container Toolkit" >&2; exit 1; }
	IMAGE=$(IMAGE_GPU) $(CLIENT)/pytest tests/gpu
	PYTHONPATH=tests:local_test $(CLIENT)/python benchmarks/gpu.py --image $(IMAGE_GPU)

.PHONY: bench-serving
bench-serving: .venv/ready ## our server beside its peers: half an hour, 3 GB of their environments (more flags in BENCH_FLAGS)
	PYTHONPATH=local_test $(BIN)/python benchmarks/serving/run.py $(BENCH_FLAGS)

.PHONY: bench-before-after
bench-before-after: .venv/ready ## this checkout's speed beside another's: make bench-before-after BEFORE=FOLDER
	@[ -n "$(BEFORE)" ] || { echo "Name the earlier checkout: make bench-before-after BEFORE=FOLDER" >&2; exit 2; }
	PYTHONPATH=benchmarks/serving:local_test:tests:src $(BIN)/python benchmarks/before_after.py $(BEFORE) $(BENCH_FLAGS)

.PHONY: lock
lock: .venv/ready ## compile requirements/*.in into lock files with hashes
	$(BIN)/pip install --quiet uv
	cd requirements && for name in image test gpu cuda client build; do \
		../$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --custom-compile-command "make lock" \
		$$(case $$name in client|build) ;; cuda) echo "--no-deps";; image) echo "--excludes excludes.txt";; *) echo "--excludes excludes.txt -c image.lock";; esac) $$name.in -o $$name.lock; done

.venv/ready: requirements/test.lock pyproject.toml
	@missing=; for library in $(LIBRARIES); do ldconfig -p | grep -q $$library || missing=yes; done; \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || missing=yes; \
	if [ -n "$$missing" ]; then \
		echo "Installing what MXNet and Python need of the system: libgomp1 libquadmath0 python3.11-venv"; \
		sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends libgomp1 libquadmath0 python3.11-venv; \
	fi
	@echo "Making .venv (about a minute)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements/test.lock
	@$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

.venv-client/ready: requirements/client.lock pyproject.toml
	@$(PYTHON) -m venv --clear .venv-client
	@$(CLIENT)/pip install --quiet --require-hashes --no-deps -r requirements/client.lock
	@$(CLIENT)/pip install --quiet --no-deps --editable .
	@touch $@

.PHONY: clean
clean: ## remove the virtual environments and caches
	rm -rf .venv .venv-client .mypy_cache .pytest_cache .ruff_cache build benchmarks/serving/work
