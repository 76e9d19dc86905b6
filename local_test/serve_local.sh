#!/usr/bin/env bash
# Serves the model that train_local.sh has trained, in a container on this machine.
set -euo pipefail

usage() {
    cat <<USAGE
usage: serve_local.sh [PORT]

Serves local_test/work/model as a SageMaker endpoint does, on this machine's PORT (8080), until Ctrl-C.
Ask it with predict.sh.

environment: IMAGE, the image to run (sagemaker-gluoncv:cpu); PORT, if it is not given as an argument
USAGE
}

case ${1:-} in -h | --help) usage && exit ;; esac
port=${1:-${PORT:-8080}}
[[ $# -le 1 && $port =~ ^[0-9]+$ ]] || { usage >&2 && exit 2; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
model=$here/work/model
if [[ ! -d $model ]]; then
    echo "There is no model in $model: run $here/train_local.sh first" >&2
    exit 1
fi
exec docker run --rm --user "$(id -u):$(id -g)" --publish "127.0.0.1:$port:8080" \
    --volume "$model:/opt/ml/model:ro" "${IMAGE:-sagemaker-gluoncv:cpu}" serve
