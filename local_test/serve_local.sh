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

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=local_test/docker.sh
source "$here/docker.sh"

case ${1:-} in -h | --help) usage && exit ;; esac
[[ $# -le 1 ]] || misused
port=${1:-${PORT:-8080}}
image=${IMAGE:-sagemaker-gluoncv:cpu}
model=$here/work/model
require_port "$port"
compgen -G "$model/*" >/dev/null || fail "There is no model in $model." "Train one first with $here/train_local.sh."
require_mountable "$model"
require_engine
require_image "$image"
if (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    fail "Port $port is in use on this machine." \
        "Stop what listens there (docker ps, or ss -ltnp, shows it), or choose another port: serve_local.sh $((port % 65535 + 1))"
fi
exec docker run --rm --user "$(id -u):$(id -g)" --publish "127.0.0.1:$port:8080" \
    --volume "$model:/opt/ml/model:ro" "$image" serve
