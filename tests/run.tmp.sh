#!/usr/bin/env bash
# Runs every test there is. On a bare Debian 12 with Rust it first installs, as root, what they need: quietly, and
# only what is missing. The hermetic part needs none of that: `cargo test`.
#
#   tests/run              everything
#   tests/run STEP…        only these: format clippy deny tests image
#   MAILTLS_IMAGE=1        with `image`, which builds and starts the container image (an optimised build: ten minutes)
#
# The last line counts tests, a check without tests of its own as one: "123 passed, 0 failed, 1 skipped". A step that
# ends badly without saying which test failed counts as one failed, and so does one that should have run tests and ran
# none.
# The exit status is 0 when nothing failed, 1 when something did, 2 when the tests could not be set up.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly tools="${CARGO_TARGET_DIR:-$PWD/target}/tests-run"
readonly logs="$tools/logs"
# The suite whose Prometheus is new enough: `promtool check metrics` finds duplicate series from 2.53 on.
readonly promtool_suite=trixie
readonly prometheus_suites=(bookworm trixie forky)
readonly python_packages=(prometheus-client==0.26.0)
readonly cargo_deny_version=0.20.2
readonly policy=/usr/sbin/policy-rc.d

# Debian packages, for: the build (aws-lc wants a C compiler), this script, tests/peers.
readonly packages=(
    gcc libc6-dev
    ca-certificates python3-venv debian-archive-keyring
    bind9 bind9-dnsutils bind9-utils ldnsutils nsd unbound unbound-host postfix nginx-light openssl curl iproute2 procps
)

say() { printf '\n== %s\n' "$*"; }

# Runs a command, shows its output only when it fails.
quietly() {
    local log="$logs/setup.log"
    "$@" >"$log" 2>&1 </dev/null || {
        cat "$log" >&2
        printf 'tests/run: failed: %s\n' "$*" >&2
        exit 2
    }
}

# ---- Setting up ------------------------------------------------------------------------------------------------------

missing_packages() {
    local package
    for package in "${packages[@]}"; do
        [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || printf '%s\n' "$package"
    done
}

# Debian starts a server as soon as it is installed, unless this file says no. The tests start their own.
forbid_services() {
    if [[ -e $policy || -L $policy ]]; then mv "$policy" "$policy.before-tests-run"; fi
    trap allow_services EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

allow_services() {
    rm -f "$policy"
    if [[ -e $policy.before-tests-run || -L $policy.before-tests-run ]]; then mv "$policy.before-tests-run" "$policy"; fi
    trap - EXIT
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]})) || return 0
    say "installing: ${missing[*]}"
    if ((EUID)); then
        printf 'tests/run: installing packages needs root. Or: apt-get install %s\n' "${missing[*]}" >&2
        exit 2
    fi
    forbid_services
    # Postfix asks how it shall be set up; the tests bring a configuration of their own.
    debconf-set-selections <<<'postfix postfix/main_mailer_type select No configuration'
    quietly apt-get -qq -o Acquire::Retries=3 update
    DEBIAN_FRONTEND=noninteractive quietly apt-get install -qq -o Acquire::Retries=3 -y --no-install-recommends "${missing[@]}"
    allow_services
}

# Where Debian packages are, on the mirror that apt uses here.
mirror() {
    local codename
    codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v codename="$codename" '$2 == codename && $3 == "main" { print $1 }' | sort -u
}

# Unpacks packages of a Debian suite into a folder named after it, beside the build: programs that shall not come from
# this machine. apt's own state stays as it is, and signatures are checked as always. What a folder was made of stands
# in it, so that nothing is fetched twice, and a change here is seen.
unpack() {
    local suite=$1 folder="$tools/$1" work="$tools/unpacking" package
    shift
    [[ "$(cat "$folder/made-of" 2>/dev/null)" == "$*" ]] && return 0
    say "fetching $* of $suite"
    rm -rf "$folder" "$work"
    mkdir -p "$folder" "$work"/{lists/partial,cache/archives/partial}
    # What the mirror is, apt knows once it has been there.
    [[ -n "$(mirror)" ]] || quietly apt-get -qq -o Acquire::Retries=3 update
    mirror | while read -r uri; do
        printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$uri" "$suite"
    done >"$work/sources.list"
    local apt=(
        apt-get -qq -o Acquire::Retries=3
        -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root
    )
    quietly "${apt[@]}" update
    (cd "$work" && quietly "${apt[@]}" download "$@")
    for package in "$@"; do quietly dpkg-deb -x "$work/$package"_*.deb "$folder"; done
    rm -rf "$work"
    printf '%s' "$*" >"$folder/made-of"
}

# The Prometheus of each Debian, 2.42, 2.53 and 3: rules are tested with what operators run. Alertmanager is the oldest.
fetch_prometheus() {
    local suite program
    for suite in "${prometheus_suites[@]}"; do
        unpack "$suite" prometheus promtool prometheus-alertmanager
    done
    for program in promtool prometheus; do ln -sf "$tools/$promtool_suite/usr/bin/$program" "$tools/bin/$program"; done
    for program in prometheus-alertmanager amtool; do
        ln -sf "$tools/${prometheus_suites[0]}/usr/bin/$program" "$tools/bin/$program"
    done
}

fetch_python_packages() {
    local python=python3
    "$python" -c 'import ensurepip, venv' 2>/dev/null || python=/usr/bin/python3
    "$tools/python/bin/python" -c 'import pip' 2>/dev/null || quietly "$python" -m venv --clear "$tools/python"
    quietly "$tools/python/bin/pip" install --quiet --disable-pip-version-check "${python_packages[@]}"
}

# Debian has none. Unoptimised: it reads one lock file, and its build is most of the price.
fetch_cargo_deny() {
    [[ "$("$tools/bin/cargo-deny" --version 2>/dev/null)" == "cargo-deny $cargo_deny_version" ]] && return 0
    say "building cargo-deny $cargo_deny_version"
    quietly cargo install --quiet --locked --debug --root "$tools" "cargo-deny@$cargo_deny_version"
}

# ---- The steps -------------------------------------------------------------------------------------------------------

step_format() { cargo fmt --all --check; }

step_clippy() { cargo clippy --quiet --locked --workspace --all-targets --all-features -- -D warnings; }

# Licences, sources and banned crates. Advisories are a download that a test must not hang on.
step_deny() { cargo-deny --locked --config .cargo/deny.toml check bans licenses sources; }

# The hermetic tests and those against real servers (feature `peers`) in one build; look-ups under attack and the
# parsers of strangers' bytes at greater length than in a plain `cargo test`.
step_tests() {
    MAILTLS_MUTATIONS=20000 MAILTLS_FUZZ_SECONDS=60 cargo test --locked --workspace --all-features --no-fail-fast
}

step_image() { tests/peers/image.sh; }

passed=0
failed=0
skipped=0
failures=()

# Adds up cargo's closing lines: "test result: ok. 12 passed; 0 failed; …".
count_tests() {
    awk -v word="$2;" '/^test result: / { for (i = 2; i <= NF; i++) if ($i == word) sum += $(i - 1) } END { print sum + 0 }' "$1"
}

run_step() {
    local step=$1 log="$logs/$1.log" status=0 tests_passed tests_failed
    say "$step"
    "step_$step" 2>&1 </dev/null | tee "$log" || status=$?
    tests_passed=$(count_tests "$log" passed)
    tests_failed=$(count_tests "$log" failed)
    skipped=$((skipped + $(count_tests "$log" ignored)))
    if ((status == 0 && tests_failed == 0)); then
        if [[ $step == tests ]] && ((tests_passed == 0)); then
            failed=$((failed + 1))
            failures+=("$step: ran no test")
        else
            passed=$((passed + (tests_passed ? tests_passed : 1)))
        fi
    else
        passed=$((passed + tests_passed))
        failed=$((failed + (tests_failed ? tests_failed : 1)))
        failures+=("$step: exit status $status, see $log")
    fi
}

main() {
    local steps=("$@") step
    if ((${#steps[@]} == 0)); then
        steps=(format clippy deny tests)
        if [[ ${MAILTLS_IMAGE:-} == 1 ]]; then steps+=(image); fi
    fi
    for step in "${steps[@]}"; do
        declare -F "step_$step" >/dev/null || {
            printf 'tests/run: no step %s; there are: format clippy deny tests image\n' "$step" >&2
            exit 2
        }
    done
    mkdir -p "$tools/bin" "$logs"
    export PATH="$tools/bin:$PATH:/usr/sbin:/sbin"
    # tests/peers finds the packages of fetch_python_packages here.
    export MAILTLS_PEERS_PYTHON="$tools/python/bin/python"
    # … and the programs of fetch_prometheus below these.
    export MAILTLS_PEERS_SUITES="${prometheus_suites[*]/#/$tools/}"
    install_packages
    for step in "${steps[@]}"; do
        case $step in
        deny) fetch_cargo_deny ;;
        tests)
            fetch_prometheus
            fetch_python_packages
            ;;
        esac
    done
    for step in "${steps[@]}"; do run_step "$step"; done
    if ((failed)); then
        say 'failed'
        printf '%s\n' "${failures[@]}"
    fi
    printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    ((failed == 0))
}

