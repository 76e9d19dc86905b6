# The CPU image: `docker run IMAGE train` and `docker run IMAGE serve`. Dockerfile.gpu is the same, except for the parts
# between "Only here" and "Both" (tests/unit/test_dockerfiles.py).
#
# A machine that reaches package registries through settings of its own passes them as build secrets (apt_sources,
# pip_conf, ca). A secret that is not given is not mounted. See docs/building.md.
#
# Two builds of one commit give equal layers: all files have one date, bytecode has none, and no log or cache is kept.
# The date is not the commit's, because then every commit would change every layer. See docs/images.md.

# --- Debian and its Python, in a layer of their own -------------------------------------------------------------------
FROM debian:bookworm-slim AS system
ENV FILE_DATE=2023-06-10T00:00:00Z PYTHONHASHSEED=0
RUN --mount=type=secret,id=apt_sources,target=/etc/apt/sources.list.d/debian.sources \
    apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    ca-certificates libgomp1 libquadmath0 python3
# A copy without caches, logs, and what Debian's published slim image leaves out too. Licences stay. /etc/hosts and
# /etc/resolv.conf belong to the machine that builds.
RUN set -eu; mkdir /image; \
    cp --archive --one-file-system /bin /boot /etc /home /lib* /media /mnt /opt /root /run /sbin /srv /usr /var /image; \
    mkdir /image/dev /image/proc /image/sys; mkdir --mode 1777 /image/tmp; \
    cd /image; \
    rm -rf run/* var/cache/* var/lib/apt/lists/* var/lib/dpkg/*-old var/log/* etc/hostname etc/*- \
    usr/share/info/* usr/share/lintian usr/share/locale/* usr/share/man/*; \
    for file in etc/hosts etc/resolv.conf; do rm -f $file; : >$file; done; \
    find usr/share/doc -mindepth 2 ! -type d ! -name copyright -delete; \
    find usr/share/doc -type d -empty -delete; \
    find usr -name __pycache__ -prune -exec rm -r {} +; \
    python3 -m compileall -q --invalidation-mode unchecked-hash -s /image -p / usr/lib/python3.11 usr/lib/python3; \
    find . -exec touch --no-dereference --date "$FILE_DATE" {} +

# --- Compilers stay in this stage -------------------------------------------------------------------------------------
FROM debian:bookworm-slim AS build
ENV DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 \
    FILE_DATE=2023-06-10T00:00:00Z PYTHONHASHSEED=0 CUDA=/cuda/opt/venv/lib/python3.11/site-packages
RUN --mount=type=secret,id=apt_sources,target=/etc/apt/sources.list.d/debian.sources \
    apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends gcc libc6-dev libgomp1 libquadmath0 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
# The tools that build our package and write the bill of materials.
COPY requirements/build.lock /tmp/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    python3 -m venv /opt/build && /opt/build/bin/pip install --require-hashes --no-deps -r /tmp/build.lock
# Only here: MXNet for the CPU.
COPY requirements/image.lock /tmp/packages.lock
# Both.
# All in one RUN, because a file that a later RUN touches is stored twice. No debugging symbols, because they contain the
# name of pip's temporary folder. Removed, because nothing here uses them: tests, headers, static archives, the parts of
# GluonCV for PyTorch and AutoGluon, and the parts of OpenVINO for other devices and formats. Bytecode halves the time to
# start. A whole tree is copied onto the root, because a single folder would get the date of the copying.
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    set -eu; python3 -m venv /opt/venv; \
    CFLAGS=-g0 /opt/venv/bin/pip install --require-hashes --no-deps --no-compile -r /tmp/packages.lock; \
    cd /opt/venv; rm -rf images include; find . -name __pycache__ -prune -exec rm -r {} +; \
    cd lib/python3.11/site-packages; rm -rf tests mxnet/include gluoncv/auto gluoncv/torch; \
    (cd openvino; rm -rf cmake frontend/*/ include tools torch libs/cache.json libs/*_frontend.so* libs/*_intel_[gn]pu_* \
    libs/*_auto_plugin.so libs/*_auto_batch_plugin.so libs/*_hetero_plugin.so libs/libopenvino_c.so*); \
    find numpy scipy -type d -name tests -prune -exec rm -r {} +; \
    find . '(' -name '*.a' -o -name '*.h' -o -name '*.pxd' -o -name '*.pyi' ')' -delete; \
    python3 -m compileall -q --invalidation-mode unchecked-hash -x '/(pip|setuptools|pkg_resources)/' .; \
    mkdir -p /packages/opt; mv /opt/venv /packages/opt/; ln -s /packages/opt/venv /opt/venv; \
    find /packages -exec touch --no-dereference --date "$FILE_DATE" {} +
# Base weights: the files in pretrained/, and from GluonCV's store those of the named nets that pretrained/ lacks.
ARG PRETRAINED_MODELS=""
COPY pretrained/ /pretrained/opt/sagemaker-gluoncv/pretrained/
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    set -eu; cd /pretrained/opt/sagemaker-gluoncv/pretrained; \
    for name in $PRETRAINED_MODELS; do \
    ls | grep -qE "^$name(-[0-9a-f]+)?\.params$" || /opt/venv/bin/python -c \
    "import sys, gluoncv.model_zoo.model_store as store; store.get_model_file(sys.argv[1], root='.')" "$name"; \
    done; \
    rm -f README.md ./*.lock; \
    find . -type f -exec chmod 644 {} +; \
    find /pretrained -exec touch --date "$FILE_DATE" {} +
COPY pyproject.toml README.md /tmp/package/
COPY src/ /tmp/package/src/
COPY train/train serve/serve serve/gunicorn.conf.py /code/opt/sagemaker-gluoncv/bin/
COPY image/bill_of_materials.py image/bundled.json /tmp/image/
# The same files whatever the checkout: lines end in LF, and what is executed can be. A checkout on Windows has CRLF, and
# archives and some file systems lose or add the executable bit.
# What prepares pictures is compiled when it runs: it takes half a second there, and a push of our code stays small.
RUN --mount=type=bind,from=system,source=/image,target=/system \
    set -eu; cd /code/opt/sagemaker-gluoncv; \
    find bin /tmp/package /tmp/image -type f -exec sed -i 's/\r$//' {} +; \
    find bin /tmp/package /tmp/image -type f -exec chmod 644 {} +; \
    /opt/build/bin/pip wheel --no-build-isolation --no-deps --wheel-dir /tmp/wheel /tmp/package; \
    /opt/venv/bin/pip install --no-index --find-links /tmp/wheel --no-deps --no-compile --target lib \
    sagemaker-gluoncv-container; \
    python3 -m compileall -q --invalidation-mode unchecked-hash -x '/preparing/' -s /code -p / lib; \
    PYTHONPATH=$PWD/lib:$CUDA /opt/build/bin/python /tmp/image/bill_of_materials.py /system /opt/venv/bin/python sbom.cdx.json; \
    chmod 755 bin/train bin/serve; \
    find /code -exec touch --date "$FILE_DATE" {} +

# --- What runs --------------------------------------------------------------------------------------------------------
FROM scratch
COPY --from=system /image /
COPY --from=build /packages /
COPY --from=build /pretrained /
# What changes often comes last, so that a push after a change to our code is small.
COPY --from=build /code /
# Our `train` comes before the one that sagemaker-training installs.
ENV PATH=/opt/sagemaker-gluoncv/bin:/opt/venv/bin:/opt/sagemaker-gluoncv/lib/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/sagemaker-gluoncv/lib \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
EXPOSE 8080
# For plain Docker; SageMaker sends pings of its own. A container that does not serve is always healthy.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python3", "-m", "sagemaker_gluoncv_container.serving.health"]
ARG VERSION=unknown REVISION=unknown CREATED=unknown
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
    com.amazonaws.sagemaker.capabilities.multi-models=true \
    org.opencontainers.image.title="SageMaker GluonCV Container" \
    org.opencontainers.image.description="Trains and serves GluonCV image classifiers on Amazon SageMaker" \
    org.opencontainers.image.licenses=Apache-2.0 \
    org.opencontainers.image.version=$VERSION \
    org.opencontainers.image.revision=$REVISION \
    org.opencontainers.image.created=$CREATED
# No ENTRYPOINT: the platform starts `IMAGE train` and `IMAGE serve`. The SDK's local ModelTrainer gives no command.
CMD ["train"]
