# shellcheck shell=bash
# What the scripts beside this one ask for before they start a container. It is read by them, not run.

fail() { # WHAT WHAT_TO_DO
    printf '%s: %s\n  %s\n' "${0##*/}" "$1" "$2" >&2
    exit 1
}

misused() { # [WHAT]
    [[ $# == 0 ]] || printf '%s: %s\n\n' "${0##*/}" "$1" >&2
    usage >&2
    exit 2
}

require_port() { # PORT
    [[ $1 =~ ^[1-9][0-9]{0,4}$ && $1 -le 65535 ]] ||
        misused "'$1' is not a port. A port is a number from 1 to 65535."
}

require_engine() {
    local complaint
    command -v docker >/dev/null ||
        fail "Docker is not installed." "Install it (https://docs.docker.com/engine/install), and try again."
    complaint=$(docker version 2>&1 >/dev/null) ||
        fail "No Docker engine answers: $(tail -n 1 <<<"$complaint")" \
            "Start one (sudo systemctl start docker), let $(id -un) use it, or set DOCKER_HOST."
}

require_image() { # IMAGE
    # Without this Docker would look for it in a registry, which has none of this name.
    docker image inspect "$1" >/dev/null 2>&1 ||
        fail "There is no image $1 on this machine." "Build it with make image, or set IMAGE to the name of one."
}

require_mountable() { # FOLDER
    [[ $1 != *:* ]] ||
        fail "Docker cannot mount $1, because its path contains a colon." "Move the checkout to a folder without one."
}
