#!/bin/sh
# Makes .test-env/xray/ at the root of the repository: the SDKs of AWS X-Ray that the end-to-end tests send with.
# Quick when there is nothing to do. Says on standard error why it can't.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
env="$here/../../.test-env/xray"
fail() { echo "$1" >&2; exit 1; }

command -v python3 >/dev/null || fail "python3 is missing"
command -v node >/dev/null || fail "node is missing"
command -v npm >/dev/null || fail "npm is missing"

mkdir -p "$env"
# Several test processes may come here at once.
if [ "${TESTBED_LOCKED:-}" != "$env" ] && command -v flock >/dev/null; then
    TESTBED_LOCKED="$env" exec flock "$env/lock" sh "$0"
fi

want=$(cat "$here/xray/requirements.txt" "$here/xray/package.json" "$here/xray/package-lock.json" | cksum)
if [ "$(cat "$env/done" 2>/dev/null || true)" != "$want" ]; then
    rm -rf "$env/venv" "$env/node" "$env/done"
    python3 -m venv "$env/venv" || fail "python3 has no venv"
    "$env/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/xray/requirements.txt" >&2 ||
        fail "the Python packages can't be installed"
    mkdir -p "$env/node"
    cp "$here/xray/package.json" "$here/xray/package-lock.json" "$here/xray/.npmrc" "$env/node/"
    (cd "$env/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) ||
        fail "the Node packages can't be installed"
    echo "$want" > "$env/done"
fi
# Node looks for packages beside the script.
cp "$here/xray/send.cjs" "$env/node/send.cjs.next"
mv "$env/node/send.cjs.next" "$env/node/send.cjs"
