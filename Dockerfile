# The CPU image: `docker run IMAGE train` and `docker run IMAGE serve`.
#
# A machine that reaches its package registries only by its own settings gives them as build secrets (apt_sources,
# pip_conf, ca); a secret that is not given is not mounted. See docs/building.md.

# --- What compiles stays behind -------------------------------------------------------------------------------------
FROM debian:bookworm-slim AS build
ENV DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN --mount=type=secret,id=apt_sources,target=/etc/apt/sources.list.d/debian.sources \
    apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends gcc libc6-dev libgomp1 libquadmath0 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/venv
COPY requirements/image.lock /tmp/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    /opt/venv/bin/pip install --require-hashes --no-deps --no-compile -r /tmp/image.lock
# Of OpenVINO, what a CPU and our own translation need: 88 of 180 MB.
RUN cd /opt/venv/lib/python3*/site-packages/openvino \
    && rm -rf cmake frontend/*/ include tools torch libs/cache.json libs/*_frontend.so* libs/*_intel_[gn]pu_* \
    libs/*_auto_plugin.so libs/*_auto_batch_plugin.so libs/*_hetero_plugin.so libs/libopenvino_c.so* \
    && find . -name '*.pyi' -delete
# Base weights: those in pretrained/, and of the nets that are named, those that it lacks, from GluonCV's store.
ARG PRETRAINED_MODELS=""
COPY pretrained/ /opt/sagemaker-gluoncv/pretrained/
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    set -eu; cd /opt/sagemaker-gluoncv/pretrained; \
    for name in $PRETRAINED_MODELS; do \
    ls | grep -qE "^$name(-[0-9a-f]+)?\.params$" || /opt/venv/bin/python -c \
    "import sys, gluoncv.model_zoo.model_store as store; store.get_model_file(sys.argv[1], root='.')" "$name"; \
    done; \
    rm -f README.md ./*.lock
COPY pyproject.toml README.md /tmp/package/
COPY src/ /tmp/package/src/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    /opt/venv/bin/pip install --no-deps --no-compile --target /opt/sagemaker-gluoncv/lib /tmp/package

# --- What runs -------------------------------------------------------------------------------------------------------
FROM debian:bookworm-slim
RUN --mount=type=secret,id=apt_sources,target=/etc/apt/sources.list.d/debian.sources \
    apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    ca-certificates libgomp1 libquadmath0 python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/sagemaker-gluoncv/pretrained /opt/sagemaker-gluoncv/pretrained
# What changes often comes last, so that a new version of our code re-pushes little.
COPY --from=build /opt/sagemaker-gluoncv/lib /opt/sagemaker-gluoncv/lib
COPY train/train serve/serve serve/gunicorn.conf.py /opt/sagemaker-gluoncv/bin/
# Our `train` before the one that sagemaker-training installs.
ENV PATH=/opt/sagemaker-gluoncv/bin:/opt/venv/bin:/opt/sagemaker-gluoncv/lib/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/sagemaker-gluoncv/lib \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
    com.amazonaws.sagemaker.capabilities.multi-models=true
EXPOSE 8080
# No ENTRYPOINT: the platform starts `IMAGE train` and `IMAGE serve`. Its Python SDK's local ModelTrainer gives no word.
CMD ["train"]
