#!/usr/bin/env bash
# Trains in a container on this machine. Needs Docker and the image, nothing else.
set -euo pipefail

usage() {
    cat <<USAGE
usage: train_local.sh [NAME=VALUE ...]

Runs a training job as SageMaker does, on this machine, on the channels in
  local_test/work/input/data/train and .../validation
which are drawn if they are not there. NAME=VALUE are hyperparameters, in place of or beside
  ${defaults[*]}
The model goes to local_test/work/model. An image without base weights needs use_pretrained_model=0.

environment: IMAGE, the image to run (sagemaker-gluoncv:cpu)
USAGE
}

defaults=("image_shape=3,64,64" mini_batch_size=16 learning_rate=0.01 epochs=3)
case ${1:-} in -h | --help) usage && exit ;; esac
for argument in "$@"; do
    [[ $argument == *=* ]] || { usage >&2 && exit 2; }
done

image=${IMAGE:-sagemaker-gluoncv:cpu}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$here/work
# Whatever the container writes is ours.
run=(docker run --rm --user "$(id -u):$(id -g)")
mkdir -p "$work"/{input/config,input/data,model,output/data,checkpoints}

if [[ ! -e $work/input/data/train && ! -e $work/input/data/validation ]]; then
    echo "Drawing pictures into $work/input/data"
    "${run[@]}" --volume "$here:/local_test:ro" --volume "$work/input/data:/data" "$image" \
        python3 /local_test/draw_pictures.py /data
fi

# What the platform writes: every hyperparameter a string; of one that is given twice, the last counts.
"${run[@]}" "$image" python3 -c '
import json, sys
print(json.dumps(dict(argument.split("=", 1) for argument in sys.argv[1:]), indent=2))
' "${defaults[@]}" "$@" >"$work/input/config/hyperparameters.json"
echo '{"train": {"TrainingInputMode": "File"}, "validation": {"TrainingInputMode": "File"}}' \
    >"$work/input/config/inputdataconfig.json"
echo '{"current_host": "algo-1", "hosts": ["algo-1"]}' >"$work/input/config/resourceconfig.json"

# The platform gives every job an empty model directory; so that an old model is not taken for the new one.
rm -rf "${work:?}"/model/* "${work:?}"/output/failure
status=0
"${run[@]}" --hostname algo-1 --volume "$work:/opt/ml" "$image" train || status=$?
if [[ $status == 0 ]]; then
    echo "The model is in $work/model; serve it with $here/serve_local.sh"
fi
exit "$status"
