#!/usr/bin/env bash
# Builds the Dockerfile for real, with buildah and without a daemon, and asks the image's binary for /-/healthy.
#
# No base image is downloaded. A stand-in of the same name is made of this machine's parts: Debian's C compiler, put
# together by mmdebstrap from the mirror that apt uses here, and the machine's Rust toolchain and crates, mounted. What
# is thereby not tested is the base image itself. Needs root. Takes as long as an optimised build: about ten minutes on
# two cores, which is why tests/run does it only with MAILTLS_IMAGE=1.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly base=docker.io/library/rust:1-slim-bookworm
readonly image=localhost/mailtls-exporter:test
readonly port=10065
readonly packages=(buildah mmdebstrap curl)
work=$(mktemp -d)
readonly work
# vfs: plain directories, which work everywhere, also inside a container.
storage=(--root "$work/storage" --runroot "$work/run" --storage-driver vfs)
server=

clean_up() {
    if [[ -n $server ]]; then kill "$server" 2>/dev/null || true; fi
    if [[ -d $work/storage ]]; then buildah "${storage[@]}" unmount --all >/dev/null 2>&1 || true; fi
    rm -rf "$work"
}
trap clean_up EXIT

fail() {
    printf 'image: %s\n' "$*" >&2
    exit 1
}

install_packages() {
    local package missing=()
    for package in "${packages[@]}"; do
        [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

# A file system like the base image's: a C compiler, root certificates, and Rust at the places where it has them.
make_base() {
    local codename container
    apt-get -qq update
    codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v codename="$codename" '$2 == codename && $3 == "main" { print "deb", $1, $2, $3 }' |
        sort -u >"$work/sources.list"
    mmdebstrap --quiet --variant=minbase --include=gcc,libc6-dev,ca-certificates \
        "$codename" "$work/base.tar" "$work/sources.list"
    container=$(buildah "${storage[@]}" from scratch)
    buildah "${storage[@]}" add --quiet "$container" "$work/base.tar" / >/dev/null
    rm "$work/base.tar"
    buildah "${storage[@]}" config \
        --env PATH=/usr/local/rust/bin:/usr/bin:/bin --env CARGO_HOME=/usr/local/cargo "$container"
    buildah "${storage[@]}" commit --quiet --rm "$container" "$base" >/dev/null
}

build() {
    local cargo_home=${CARGO_HOME:-$HOME/.cargo}
    cargo fetch --quiet --locked
    buildah "${storage[@]}" build --isolation chroot --pull-never --layers=false \
        --volume "$(rustc --print sysroot):/usr/local/rust:ro" \
        --volume "$cargo_home/registry:/usr/local/cargo/registry" \
        --build-arg REVISION="$(git rev-parse HEAD)" \
        --tag "$image" .
}

# Starts the binary as the image says: its user, its entry point, its files and nothing else.
check() {
    local container root user entry_point answer=""
    container=$(buildah "${storage[@]}" from --pull-never "$image")
    root=$(buildah "${storage[@]}" mount "$container")
    user=$(buildah "${storage[@]}" inspect --format '{{.OCIv1.Config.User}}' "$container")
    entry_point=$(buildah "${storage[@]}" inspect --format '{{index .OCIv1.Config.Entrypoint 0}}' "$container")
    printf 'image: user %s, entry point %s, files:\n' "$user" "$entry_point"
    (cd "$root" && find . -type f -printf '  %M %s %p\n')
    [[ $user =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]] || fail "runs as '$user', not as a numbered user other than root"
    ! readelf --program-headers "$root$entry_point" | grep -q INTERP || fail "$entry_point is not static"
    chroot --userspec="$user" "$root" "$entry_point" --version

    # What every container engine adds to an image: a resolv.conf, and devices (randomness comes from there).
    printf 'nameserver 127.0.0.1\n' >"$root/etc/resolv.conf"
    mkdir -p "$root/dev"
    # Each of these becomes the next, so that the process is the binary in the end.
    unshare --mount sh -c 'mount --rbind /dev "$0/dev" && exec chroot --userspec="$1" "$0" "$2" "$3" "$4"' \
        "$root" "$user" "$entry_point" --web.listen-address "127.0.0.1:$port" &
    server=$!
    for _ in $(seq 20); do
        kill -0 "$server" 2>/dev/null || fail 'the binary ended'
        answer=$(curl --silent --fail "http://127.0.0.1:$port/-/healthy") && break
        sleep 0.5
    done
    [[ -n $answer ]] || fail 'does not answer /-/healthy'
    printf 'image: /-/healthy says: %s\n' "$answer"
    kill -TERM "$server"
    wait "$server" || fail "ended with status $? on SIGTERM"
    server=
    printf 'image: ended well on SIGTERM\n'
}

install_packages
make_base
build
check
