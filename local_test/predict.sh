#!/usr/bin/env bash
# Asks the server that serve_local.sh has started.
set -euo pipefail

usage() {
    cat <<USAGE
usage: predict.sh IMAGE_FILE [CONTENT_TYPE]

Sends a picture to the server on this machine and prints its answer: the probability of each class.
CONTENT_TYPE is application/x-image unless given.

environment: PORT, the server's (8080)
USAGE
}

case ${1:-} in -h | --help) usage && exit ;; esac
[[ $# -eq 1 || $# -eq 2 ]] || { usage >&2 && exit 2; }
if [[ ! -f $1 ]]; then
    echo "There is no file $1" >&2
    exit 2
fi
# An answer of 4xx or 5xx is printed too, and fails.
curl --silent --show-error --fail-with-body --header "Content-Type: ${2:-application/x-image}" \
    --data-binary "@$1" "http://127.0.0.1:${PORT:-8080}/invocations"
echo
