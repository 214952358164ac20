#!/usr/bin/env bash
# Installs one client of the matrix into a directory: install.sh DIRECTORY CLIENT
# Versions are pinned by the files beside this one. Quick when all is there; nothing of it goes
# into the user's home. Java is not here: its jars come with the brokers of tests/harness.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
directory=$(cd "$1" && pwd)
client=$2

# Two installations at once would mix.
exec 9>"$directory/$client.lock"
flock 9

# Whether CLIENT was installed from the same list before; notes it after `noted`.
ready() {
    cmp --silent "$1" "$directory/$client/installed-from"
}

noted() {
    cp "$1" "$directory/$client/installed-from"
}

install_python() {
    local list=$here/python/$client.txt
    ready "$list" && return
    rm -rf "${directory:?}/$client"
    python3 -m venv "$directory/$client"
    "$directory/$client/bin/pip" install --quiet --disable-pip-version-check \
        --cache-dir "$directory/pip-cache" --requirement "$list"
    noted "$list"
}

install_node() {
    local lock=$here/js/package-lock.json
    ready "$lock" && return
    rm -rf "${directory:?}/$client"
    mkdir "$directory/$client"
    cp "$here/js/package.json" "$lock" "$directory/$client/"
    npm ci --silent --no-audit --no-fund --ignore-scripts --cache "$directory/npm-cache" \
        --prefix "$directory/$client"
    noted "$lock"
}

install_go() {
    # Go's own caches make this quick the second time, and notice a changed program.
    export GOPATH=$directory/go GOCACHE=$directory/go-build GOFLAGS="-modcacherw -mod=readonly"
    local go
    go=$(go_of_its_own)
    # A GOROOT would be that of the Go found first.
    env --unset=GOROOT CGO_ENABLED=0 "$go" build -C "$here/go" -buildvcs=false -o "$directory/franz-go" .
}

# Since 1.21, Go fetches the Go that go.mod asks for, as a module. An older one, as in Debian, can
# be told to fetch it.
go_of_its_own() {
    local have wanted root
    if ! have=$(cd / && GOTOOLCHAIN=local go env GOVERSION); then
        echo "go is not here: apt-get install golang-go" >&2
        exit 1
    fi
    if printf '%s\n' 1.21 "${have#go}" | sort --version-sort --check=quiet; then
        command -v go
        return
    fi
    wanted=golang.org/toolchain@v0.0.1-go$(awk '$1 == "go" { print $2 }' "$here/go/go.mod")
    wanted=$wanted.$(go env GOOS)-$(go env GOARCH)
    (cd / && go mod download "$wanted")
    root=$directory/go/pkg/mod/$wanted
    # Modules have no programs: their files are not executable.
    chmod --recursive u+x "$root/bin" "$root/pkg/tool"
    echo "$root/bin/go"
}

case $client in
confluent-kafka | kafka-python) install_python ;;
kafkajs) install_node ;;
franz-go) install_go ;;
kcat)
    if ! command -v kcat >/dev/null; then
        echo "kcat is not here: apt-get install kcat" >&2
        exit 1
    fi
    ;;
*)
    echo "no such client: $client" >&2
    exit 1
    ;;
esac
