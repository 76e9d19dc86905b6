# `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= python3.11
BIN := .venv/bin
CLIENT := .venv-client/bin
IMAGE ?= sagemaker-gluoncv:cpu
IMAGE_GPU ?= sagemaker-gluoncv:gpu
# For the images' labels. An archive of the sources has no commit.
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
demo: .venv/ready ## draw pictures, train, serve, ask the model: no Docker, no AWS
	@$(BIN)/python local_test/demo.py

.PHONY: test
test: check ## all checks and tests; container tests only if a Docker engine answers
	$(BIN)/pytest tests/unit tests/integration
	@$(MAKE) --no-print-directory test-container

.PHONY: check
check: .venv/ready ## ruff, mypy, shellcheck (where installed)
	$(BIN)/ruff check $(SOURCES) train/train serve/serve
	$(BIN)/ruff format --check $(SOURCES) train/train serve/serve
	$(BIN)/mypy src
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); else echo "NOT RUN: shellcheck, which is not installed"; fi

# Without an engine there is nothing to run the tests in. In CI there must be one.
.PHONY: test-container
test-container: ## build both images and test them (needs a Docker engine)
	@if docker info >/dev/null 2>&1; then \
		$(MAKE) --no-print-directory image image-gpu .venv-client/ready && $(CLIENT)/pytest tests/container; \
	elif [ -n "$$CI" ]; then echo "The container tests cannot run: no Docker engine answers" >&2; exit 1; \
	else echo "NOT RUN: the container tests, because no Docker engine answers (docker info says why)"; fi

.PHONY: soak
soak: image .venv-client/ready ## a minute of everything at once, and 50 stops while the image starts (needs a Docker engine)
	SOAK_SECONDS=60 STOP_MOMENTS=50 $(CLIENT)/pytest tests/container/test_soak.py tests/container/test_stopping.py

.PHONY: image
image: ## build sagemaker-gluoncv:cpu (DOCKER_BUILD_FLAGS holds more flags)
	DOCKER_BUILDKIT=1 docker build $(DOCKER_BUILD_FLAGS) $(LABELS) --tag $(IMAGE) .

.PHONY: image-gpu
image-gpu: ## build sagemaker-gluoncv:gpu (downloads 2 GB)
	DOCKER_BUILDKIT=1 docker build $(DOCKER_BUILD_FLAGS) $(LABELS) --file Dockerfile.gpu --tag $(IMAGE_GPU) .

.PHONY: image-sizes
image-sizes: ## print what takes space in the images
	@$(PYTHON) benchmarks/image_sizes.py $(IMAGE) $(IMAGE_GPU)

# Both this host and its containers must see the GPUs; containers need the NVIDIA Container Toolkit for it.
.PHONY: gpu-check
gpu-check: ## test the GPU image on this host's GPUs, and print the figures for docs/gpu.md
	@nvidia-smi -L 2>/dev/null || { echo "NOT RUN: this host has no GPU (nvidia-smi -L finds none). Nothing was tested or measured." >&2; exit 1; }
	@docker info >/dev/null 2>&1 || { echo "NOT RUN: no Docker engine answers (docker info says why)" >&2; exit 1; }
	@$(MAKE) --no-print-directory image-gpu .venv-client/ready
	@docker run --rm --gpus all $(IMAGE_GPU) true || { echo "NOT RUN: containers see no GPU. Install the NVIDIA Container Toolkit." >&2; exit 1; }
	IMAGE=$(IMAGE_GPU) $(CLIENT)/pytest tests/gpu
	PYTHONPATH=tests:local_test $(CLIENT)/python benchmarks/gpu.py --image $(IMAGE_GPU)

.PHONY: bench-serving
bench-serving: .venv/ready ## our server beside its peers: half an hour, 3 GB of disk (BENCH_FLAGS holds more flags)
	PYTHONPATH=local_test $(BIN)/python benchmarks/serving/run.py $(BENCH_FLAGS)

.PHONY: bench-int8
bench-int8: .venv/ready ## int8 beside float32: 20 nets, an hour (INT8_FLAGS="--work FOLDER" reuses nets; --help lists more)
	$(BIN)/python benchmarks/int8.py $(INT8_FLAGS)

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
		echo "Installing system packages that MXNet and Python need: libgomp1 libquadmath0 python3.11-venv"; \
		sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends libgomp1 libquadmath0 python3.11-venv; \
	fi
	@echo "Making .venv, which takes about a minute"
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
	rm -rf .venv .venv-client .cache .mypy_cache .pytest_cache .ruff_cache build benchmarks/serving/work benchmarks/int8_work
