#!/usr/bin/env bash
# Asks the server that serve_local.sh has started.
set -euo pipefail

usage() {
    cat <<USAGE
usage: predict.sh IMAGE_FILE [CONTENT_TYPE]

Sends a picture to the server on this machine and prints its answer: the probability of each class.
CONTENT_TYPE is application/x-image unless given.

environment: PORT, the port of the server (8080)

exit codes: 0 answered; 1 no answer; 2 a wrong argument; 22 the server refused, and says why
USAGE
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=local_test/docker.sh
source "$here/docker.sh"

case ${1:-} in -h | --help) usage && exit ;; esac
[[ $# -eq 1 || $# -eq 2 ]] || misused
port=${PORT:-8080}
require_port "$port"
[[ ! -d $1 ]] || misused "$1 is a folder. Give one picture file."
[[ -e $1 ]] || misused "There is no file $1."
[[ -r $1 ]] || misused "The file $1 cannot be read by $(id -un)."
[[ ! -f $1 || -s $1 ]] || misused "The file $1 is empty."
command -v curl >/dev/null || fail "curl is not installed." "Install it, and try again."

# An answer of 4xx or 5xx is printed too. This machine's own server is never asked through a proxy.
status=0
curl --silent --show-error --fail-with-body --noproxy '*' --max-time 70 --header "Expect:" \
    --header "Content-Type: ${2:-application/x-image}" --data-binary "@$1" \
    --write-out '\n' "http://127.0.0.1:$port/invocations" || status=$?
case $status in
0) ;;
22) exit 22 ;;
7) fail "No server answers on port $port of this machine." \
    "Start one with $here/serve_local.sh and wait until its log says that a worker is ready, or set PORT." ;;
28) fail "The server on port $port did not answer within 70 s." "Read the log of serve_local.sh." ;;
*) fail "The server on port $port gave no whole HTTP answer (curl ended with $status)." \
    "Read the log of serve_local.sh, and check that nothing else listens on port $port." ;;
esac
