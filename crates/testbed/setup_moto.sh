#!/bin/sh
# Makes .test-env/moto/ at the root of the repository: the moto server, boto3 and botocore.
# Quick when there is nothing to do. Says on standard error why it can't.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
env="$here/../../.test-env/moto"
fail() { echo "$1" >&2; exit 1; }

command -v python3 >/dev/null || fail "python3 is missing"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "python3 is older than 3.10"

mkdir -p "$env"
# Several test processes may come here at once.
if [ "${TESTBED_LOCKED:-}" != "$env" ] && command -v flock >/dev/null; then
    TESTBED_LOCKED="$env" exec flock "$env/lock" sh "$0"
fi

want=$(cksum < "$here/moto/requirements.txt")
if [ "$(cat "$env/done" 2>/dev/null || true)" != "$want" ]; then
    rm -rf "$env/venv" "$env/done"
    python3 -m venv "$env/venv" || fail "python3 has no venv"
    "$env/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/moto/requirements.txt" >&2 ||
        fail "the Python packages can't be installed"
    echo "$want" > "$env/done"
fi
