#!/bin/sh
# Makes .test-env/ at the root of the repository: what end-to-end tests need that others wrote, each kind in a folder here
# that lists its packages: `sdk` (the OpenTelemetry SDKs), `xray` (the SDKs of AWS X-Ray), `moto` (the moto server, boto3 and
# botocore). Without an argument `sdk`. Quick when there is nothing to do. Says on standard error why it can't.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
kind=${1:-sdk}
from="$here/$kind"
env="$here/../../.test-env"
[ "$kind" = sdk ] || env="$env/$kind"
fail() { echo "$1" >&2; exit 1; }

[ -f "$from/requirements.txt" ] || fail "there is no $kind"
command -v python3 >/dev/null || fail "python3 is missing"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "python3 is older than 3.10"
if [ -f "$from/package.json" ]; then
    command -v node >/dev/null || fail "node is missing"
    command -v npm >/dev/null || fail "npm is missing"
    node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || fail "node is older than 20"
fi

mkdir -p "$env"
# Several test processes may come here at once.
if [ "${TESTBED_LOCKED:-}" != "$env" ] && command -v flock >/dev/null; then
    TESTBED_LOCKED="$env" exec flock "$env/lock" sh "$0" "$kind"
fi

listed() {
    for list in requirements.txt package.json package-lock.json; do
        [ ! -f "$from/$list" ] || cat "$from/$list"
    done
}
want=$(listed | cksum)
if [ "$(cat "$env/done" 2>/dev/null || true)" != "$want" ]; then
    rm -rf "$env/venv" "$env/node" "$env/done"
    python3 -m venv "$env/venv" || fail "python3 has no venv"
    "$env/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$from/requirements.txt" >&2 ||
        fail "the Python packages can't be installed"
    if [ -f "$from/package.json" ]; then
        mkdir -p "$env/node"
        cp "$from/package.json" "$from/package-lock.json" "$from/.npmrc" "$env/node/"
        (cd "$env/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) ||
            fail "the Node packages can't be installed"
    fi
    echo "$want" > "$env/done"
fi
# Node looks for packages beside the script.
for script in "$from"/*.mjs "$from"/*.cjs; do
    [ -f "$script" ] || continue
    name=$(basename "$script")
    cp "$script" "$env/node/$name.next"
    mv "$env/node/$name.next" "$env/node/$name"
done
