#!/usr/bin/env bash
# The dashboards, held against what Grafana publishes of itself (types, units, transformations), and drawn over the demo
# as a real Prometheus sees it: a panel without data fails.
#
#   tests/grafana/check.sh                  checks, and draws after a minute of scraping
#   tests/grafana/check.sh --into docs --minutes 10    takes the pictures of the documentation
#
# Needs a `prometheus` in the path, 2.53 or later: tests/run grafana brings one. Of Debian it installs, as root, what is
# missing: npm, Chromium, pngquant. Half a gigabyte, which is why tests/run does it only with MAILTLS_GRAFANA=1.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly exporter=127.0.0.1:10066 prometheus=127.0.0.1:10067
readonly demo="${CARGO_TARGET_DIR:-target}/debug/examples/demo"
work=$(mktemp -d)
readonly work
into=$work
minutes=1
while (($#)); do
    case $1 in
    --into) into=$(realpath "$2") ;;
    --minutes) minutes=$2 ;;
    *)
        printf 'grafana: no option %s\n' "$1" >&2
        exit 2
        ;;
    esac
    shift 2
done

# Each program runs below this shell and ends with it.
children=()
clean_up() {
    if ((${#children[@]})); then kill "${children[@]}" 2>/dev/null || true; fi
    wait
    rm -rf "$work"
}
trap clean_up EXIT

install_packages() {
    local program missing=()
    for program in npm chromium pngquant; do command -v "$program" >/dev/null || missing+=("$program"); done
    ((${#missing[@]})) || return 0
    # Letters that look the same everywhere.
    missing+=(fonts-dejavu-core)
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

start() {
    "$@" >>"$work/log" 2>&1 &
    children+=($!)
}

fail() {
    printf 'grafana: %s\n' "$*" >&2
    tail -n 20 "$work/log" >&2
    exit 1
}

# The number that a query gives, without its fraction; 0 for none.
number() {
    curl -fsS "http://$prometheus/api/v1/query" --data-urlencode "query=$1" 2>/dev/null |
        sed -n 's/.*"value":\[[^"]*"\([0-9]*\).*/\1/p' | grep . || echo 0
}

# The exporter's list of domains tells Prometheus what to scrape.
configure() {
    cat >"$work/prometheus.yml" <<YAML
global: {scrape_interval: 5s, scrape_timeout: 4s}
scrape_configs:
  - job_name: mailtls
    metrics_path: /probe
    http_sd_configs: [{url: "http://$exporter/sd", refresh_interval: 5s}]
    relabel_configs:
      - {source_labels: [__address__], target_label: __param_target}
      - {source_labels: [__param_target], target_label: instance}
      - {target_label: __address__, replacement: "$exporter"}
  - job_name: mailtls-exporter
    static_configs: [{targets: ["$exporter"]}]
YAML
}

install_packages
cargo build --quiet --locked --example demo
configure
start "$demo" --listen "$exporter"
start prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" --web.listen-address="$prometheus"

cd tests/grafana
npm ci --silent --ignore-scripts --no-audit --no-fund
npm test

scrapes='min(count_over_time(up{job=~"mailtls.*"}[1d]))'
deadline=$((SECONDS + minutes * 60 + 120))
until (($(number "$scrapes") >= minutes * 12)); do
    ((SECONDS < deadline)) || fail "Prometheus scraped $(number "$scrapes") times in $SECONDS seconds"
    sleep 1
done
for theme in dark light; do
    npm run --silent pictures -- --prometheus "http://$prometheus" --minutes "$minutes" --into "$into" --theme "$theme"
done
# A third of the size, and nobody sees it.
pngquant --force --ext .png "$into"/dashboard-*.png
