#!/usr/bin/env bash
# Builds an image from this checkout and pushes it to a registry that SageMaker can pull from. See docs/pushing.md.
set -euo pipefail

usage() {
    cat <<USAGE
usage: build_and_push.sh [cpu|gpu] [TAG] [--region REGION[,REGION...]] [--registry HOST[/PATH]]
                         [--repository NAME] [--allow-dirty]

Builds the CPU image (make image) or the GPU image (make image-gpu), pushes it to Amazon ECR, and prints what to
use as TrainingImage: one URI per region on stdout, everything else on stderr.

  TAG                tag the image with this instead of VERSION-cpu or VERSION-gpu (VERSION is in pyproject.toml);
                     it is also tagged COMMIT-cpu or COMMIT-gpu
  --region REGION    push to ECR in these regions, not in the region of the AWS configuration; may be repeated
  --registry HOST    push there (HOST may include a port and a path) without contacting AWS; docker login first
  --repository NAME  the repository (sagemaker-gluoncv); created in ECR if absent: scan on push, immutable tags
  --allow-dirty      push uncommitted changes too, as VERSION-cpu-dirty or TAG, without the commit's tag
  -h, --help         print this

environment: AWS_PROFILE, AWS_REGION and the other variables of the aws CLI; DOCKER_BUILD_FLAGS, for docker build;
IMAGE and IMAGE_GPU, the names on this machine (sagemaker-gluoncv:cpu and :gpu)

exit codes:
  0  pushed                                    6  AWS cannot be reached in that region, or refuses
  2  an argument is wrong                      7  the tag exists, and tags are immutable there
  3  the checkout has uncommitted changes      8  the registry refuses the login
  4  no Docker engine answers                  9  the build failed
  5  no aws CLI, or no credentials            10  the push failed
USAGE
}

fail() { # EXIT_CODE WHAT WHAT_TO_DO
    printf 'build_and_push.sh: %s\n  %s\n' "$2" "$3" >&2
    exit "$1"
}

misused() {
    fail 2 "$1" "build_and_push.sh --help shows the usage."
}

add_regions() { # REGION[,REGION...]
    local region list
    IFS=, read -ra list <<<"$1"
    for region in "${list[@]}"; do
        [[ $region =~ ^[a-z]{2,}(-[a-z]+)+-[0-9]+$ ]] || misused "'$region' is not a region. A region looks like us-east-1."
        # An immutable tag can be pushed only once.
        [[ " ${regions[*]} " == *" $region "* ]] || regions+=("$region")
    done
}

read_arguments() {
    local words=()
    while [[ $# -gt 0 ]]; do
        case $1 in
        -h | --help) usage && exit ;;
        --allow-dirty) allow_dirty=yes ;;
        --region | --registry | --repository)
            [[ -n ${2:-} ]] || misused "$1 wants a value."
            case $1 in
            --region) add_regions "$2" ;;
            --registry) registry=${2%/} ;;
            --repository) repository=$2 ;;
            esac
            shift
            ;;
        -*) misused "There is no option $1." ;;
        *) words+=("$1") ;;
        esac
        shift
    done
    [[ ${#words[@]} -le 2 ]] || misused "'${words[2]}' is one argument too many."
    kind=${words[0]:-cpu}
    tag=${words[1]:-}
    [[ $kind == cpu || $kind == gpu ]] || misused "'$kind' is neither cpu nor gpu."
    [[ -z $tag || $tag =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] || misused "'$tag' cannot be a tag."
    [[ -z $registry || ${#regions[@]} == 0 ]] || misused "--registry and --region exclude each other."
}

name_tags() { # sets tag and commit_tag; commit_tag is empty if no commit contains what is pushed
    local changes version
    changes=$(git status --porcelain) || fail 3 "This is not a Git checkout." "Clone the repository: the image is named after its commit."
    if [[ -n $changes && -z $allow_dirty ]]; then
        echo "$changes" >&2
        fail 3 "The files above are not committed, so no commit would say what is in the image." \
            "Commit or stash them, or use --allow-dirty."
    fi
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml | head -n 1)
    tag=${tag:-$version-$kind${changes:+-dirty}}
    commit_tag=
    if [[ -z $changes ]]; then
        commit_tag=$(git rev-parse --short=12 HEAD)-$kind
    fi
}

find_engine() {
    docker version >/dev/null 2>"$complaint" ||
        fail 4 "No Docker engine answers: $(tail -n 1 "$complaint")" "Start one, or set DOCKER_HOST to one."
}

ask_aws() { # REGION WORD... : prints AWS's answer as text; errors go to $complaint
    aws --region "$1" --output text "${@:2}" 2>"$complaint"
}

aws_refuses() { # REGION
    local what
    what=$(sed '/^$/d' "$complaint" | tail -n 1)
    case $what in
    *[Cc]redential* | *ExpiredToken* | *InvalidClientTokenId* | *UnrecognizedClient* | *SignatureDoesNotMatch* | *"config profile"* | *SSO* | *"Token has expired"*)
        fail 5 "There are no valid AWS credentials: $what" "Run aws configure or aws sso login, or set AWS_PROFILE."
        ;;
    esac
    fail 6 "AWS in region $1: $what" "Check that the region exists and that you have the permissions in docs/pushing.md."
}

find_account() {
    local account
    command -v aws >/dev/null || fail 5 "There is no aws CLI." "Install it, or push to another registry with --registry."
    if [[ ${#regions[@]} == 0 ]]; then
        add_regions "${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}"
    fi
    [[ ${#regions[@]} -gt 0 ]] || misused "The AWS configuration names no region: use --region."
    account=$(ask_aws "${regions[0]}" sts get-caller-identity --query Account) || aws_refuses "${regions[0]}"
    echo "AWS account $account, ${regions[*]}" >&2
}

find_repository() { # REGION : sets the repository's uri and mutability; creates it if absent
    local answer fields=repositoryUri,imageTagMutability
    if ! answer=$(ask_aws "$1" ecr describe-repositories --repository-names "$repository" \
        --query "repositories[0].[$fields]"); then
        grep -q RepositoryNotFoundException "$complaint" || aws_refuses "$1"
        echo "Creating the repository $repository in $1" >&2
        answer=$(ask_aws "$1" ecr create-repository --repository-name "$repository" \
            --image-scanning-configuration scanOnPush=true --image-tag-mutability IMMUTABLE \
            --query "repository.[$fields]") || aws_refuses "$1"
    fi
    read -r uri mutability <<<"$answer"
}

prepare_region() { # REGION : checks everything that can go wrong there, before a build that takes minutes
    local uri mutability there password
    find_repository "$1"
    there=$(ask_aws "$1" ecr batch-get-image --repository-name "$repository" \
        --image-ids imageTag="$tag" ${commit_tag:+imageTag="$commit_tag"} --query 'images[].imageId.[imageTag]') ||
        aws_refuses "$1"
    if [[ $mutability == IMMUTABLE ]] && grep -qxF -- "$tag" <<<"$there"; then
        fail 7 "$uri:$tag exists, and tags are immutable there." \
            "Raise the version in pyproject.toml, or give another tag: build_and_push.sh $kind TAG"
    fi
    # If an earlier push has stored this commit's image under another tag, its tag exists already.
    if [[ -n $commit_tag ]] && ! grep -qxF -- "$commit_tag" <<<"$there"; then
        targets+=("$uri:$commit_tag")
    fi
    password=$(ask_aws "$1" ecr get-login-password) || aws_refuses "$1"
    printf %s "$password" | docker login --username AWS --password-stdin "${uri%%/*}" >&2 ||
        fail 8 "${uri%%/*} refuses the login that ECR gave." "Run docker logout ${uri%%/*}, and try again."
    # Last: once TAG exists, everything else has been pushed.
    targets+=("$uri:$tag")
}

build() { # sets image, its name on this machine
    local target=image variable=IMAGE
    if [[ $kind == gpu ]]; then
        target="image-gpu" variable=IMAGE_GPU
    fi
    image=${!variable:-sagemaker-gluoncv:$kind}
    make --no-print-directory "$target" "$variable=$image" >&2 ||
        fail 9 "make $target failed." "Its messages are above. docs/building.md says what it needs."
}

push() { # URI:TAG
    docker tag "$image" "$1"
    docker push "$1" >&2 ||
        fail 10 "$1 could not be pushed." "Docker's message is above. If it is about authorization: docker login ${1%%/*}"
    # The commit's tag is pushed too, but not printed.
    [[ $1 != *":$tag" ]] || echo "$1"
}

allow_dirty=
registry=
repository=sagemaker-gluoncv
regions=()
targets=()
read_arguments "$@"
complaint=$(mktemp)
trap 'rm -f "$complaint"' EXIT

cd "$(dirname "${BASH_SOURCE[0]}")"
name_tags
find_engine
if [[ -n $registry ]]; then
    targets=(${commit_tag:+"$registry/$repository:$commit_tag"} "$registry/$repository:$tag")
else
    find_account
    for region in "${regions[@]}"; do
        prepare_region "$region"
    done
fi
build
for target in "${targets[@]}"; do
    push "$target"
done
