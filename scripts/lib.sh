# What the other scripts share. Sourced, never run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export root

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Prevents a developer's own settings from reaching a scratch server, and from naming the database that it writes to.
forget_settings() {
    local name
    while IFS= read -r name; do
        case $name in
            PLAZA_* | DATABASE_URL | DATABASE_URL_FILE | AWS_*) unset "$name" ;;
        esac
    done < <(compgen -e)
}

# A free port of 127.0.0.1, below those that the kernel assigns.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s\n' "$port"
            return
        fi
    done
}

# settle FOLDER: point every setting at FOLDER and at free ports. Other plaza commands then find its server, too.
settle() {
    local port
    forget_settings
    port=$(free_port)
    export PLAZA_LISTEN=127.0.0.1:$port PLAZA_PUBLIC_URL=http://127.0.0.1:$port
    port=$(free_port)
    export PLAZA_OPS_LISTEN=127.0.0.1:$port PLAZA_OPS_URL=http://127.0.0.1:$port
    export PLAZA_DATA_DIR=$1/data PLAZA_STORE=file:$1/media
}

# start PLAZA FOLDER: start a server on FOLDER, with its output in FOLDER/plaza.log, and return when it is ready. Sets
# server_pid.
server_pid=
start() {
    local deadline=$((SECONDS + 60))
    (cd "$2" && exec "$1" serve) >>"$2/plaza.log" 2>&1 &
    server_pid=$!
    until curl --silent --fail --output /dev/null --max-time 5 "$PLAZA_OPS_URL/readyz"; do
        if ! kill -0 "$server_pid" 2>/dev/null; then
            server_pid=
            tail -n 20 "$2/plaza.log" >&2
            die "plaza ended before it was ready; its last lines stand above"
        fi
        if ((SECONDS > deadline)); then
            tail -n 20 "$2/plaza.log" >&2
            die "plaza was not ready within 60 s; its last lines stand above"
        fi
        sleep 0.05
    done
}

# leave: ask the server to stop, and return when it has ended. Kills it after half a minute. Does nothing without a server.
leave() {
    local deadline=$((SECONDS + 30))
    [[ -n $server_pid ]] || return 0
    kill -TERM "$server_pid" 2>/dev/null || return 0
    while kill -0 "$server_pid" 2>/dev/null; do
        if ((SECONDS > deadline)); then
            echo "plaza did not stop within 30 s of SIGTERM" >&2
            kill -KILL "$server_pid"
            deadline=$((SECONDS + 30))
        fi
        sleep 0.05
    done
}

# stop: end the server as an operator would. Fails unless it exits with 0.
stop() {
    local status=0
    leave
    wait "$server_pid" || status=$?
    server_pid=
    [[ $status == 0 ]] || die "plaza exited $status after SIGTERM, not 0"
}
