#!/bin/sh
# Makes .test-env/deploy/ at the root of the repository: the Python packages that check manifests against schemas.
# Quick when there is nothing to do. Says on standard error why it can't.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
env="$here/../../.test-env"
fail() { echo "$1" >&2; exit 1; }

command -v python3 >/dev/null || fail "python3 is missing"
mkdir -p "$env"
# Several test processes may come here at once.
if [ "${TESTBED_LOCKED:-}" != "$env" ] && command -v flock >/dev/null; then
    TESTBED_LOCKED="$env" exec flock "$env/lock-deploy" sh "$0"
fi

want=$(cksum < "$here/deploy/requirements.txt")
if [ "$(cat "$env/deploy/done" 2>/dev/null || true)" != "$want" ]; then
    rm -rf "$env/deploy"
    python3 -m venv "$env/deploy" || fail "python3 has no venv"
    "$env/deploy/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/deploy/requirements.txt" >&2 ||
        fail "the Python packages can't be installed"
    echo "$want" > "$env/deploy/done"
fi
