#!/usr/bin/env bash
# Trains in a container on this machine. Needs Docker and the image, nothing else.
set -euo pipefail

usage() {
    cat <<USAGE
usage: train_local.sh [NAME=VALUE ...]

Runs a training job as SageMaker does, on this machine, on the channels in
  local_test/work/input/data/train and .../validation
If neither exists, pictures are drawn there. Each NAME=VALUE is a hyperparameter; the defaults are
  ${defaults[*]}
and use_pretrained_model=0 if the image has no base weights. The model goes to local_test/work/model.

environment: IMAGE, the image to run (sagemaker-gluoncv:cpu)

exit codes: the job's (0 completed, 2 something to fix, 1 a failure of ours); 1 too if it could not be started
USAGE
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=local_test/docker.sh
source "$here/docker.sh"

defaults=("image_shape=3,64,64" mini_batch_size=16 learning_rate=0.01 epochs=3)
case ${1:-} in -h | --help) usage && exit ;; esac
for argument in "$@"; do
    [[ $argument == ?*=* ]] || misused
done

image=${IMAGE:-sagemaker-gluoncv:cpu}
work=$here/work
# Whatever the container writes belongs to the caller.
run=(docker run --rm --user "$(id -u):$(id -g)")
require_mountable "$work"
require_engine
require_image "$image"
mkdir -p "$work"/{input/config,input/data,model,output/data,checkpoints} 2>/dev/null || true
for folder in "$work"/{input/config,input/data,model,output,output/data,checkpoints}; do
    [[ -w $folder ]] ||
        fail "$folder cannot be written by $(id -un)." "Remove $work (it may belong to another user), or change its owner."
done

if [[ ! -e $work/input/data/train && ! -e $work/input/data/validation ]]; then
    echo "Drawing pictures into $work/input/data"
    "${run[@]}" --volume "$here:/local_test:ro" --volume "$work/input/data:/data" "$image" \
        python3 /local_test/draw_pictures.py /data ||
        fail "The pictures could not be drawn; the reason is above." "Fix it, remove $work/input/data, and try again."
fi

# What the platform writes: every hyperparameter is a string. If one is given twice, the last counts.
"${run[@]}" "$image" python3 -c '
import glob, json, sys
given = dict(argument.split("=", 1) for argument in sys.argv[1:])
if not glob.glob("/opt/sagemaker-gluoncv/pretrained/*.params"):
    given.setdefault("use_pretrained_model", "0")
print(json.dumps(given, indent=2))
' "${defaults[@]}" "$@" >"$work/input/config/hyperparameters.json" ||
    fail "$image could not be run; the reason is above." "Check that it is an image of this project: make image builds one."
echo '{"train": {"TrainingInputMode": "File"}, "validation": {"TrainingInputMode": "File"}}' \
    >"$work/input/config/inputdataconfig.json"
echo '{"current_host": "algo-1", "hosts": ["algo-1"]}' >"$work/input/config/resourceconfig.json"

# The platform gives every job an empty model directory. Without this an old model could be taken for the new one.
rm -rf "${work:?}"/model/* "${work:?}"/output/failure
status=0
"${run[@]}" --hostname algo-1 --volume "$work:/opt/ml" "$image" train || status=$?
if [[ $status == 0 ]]; then
    echo "The model is in $work/model. Serve it with $here/serve_local.sh"
else
    echo "train_local.sh: The job ended with exit code $status; its log above says why." >&2
fi
exit "$status"
