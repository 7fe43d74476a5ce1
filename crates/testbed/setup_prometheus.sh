#!/bin/sh
# Makes .test-env/prometheus/ at the root of the repository: prometheus and promtool, from Debian's package unless they
# are installed. Quick when there is nothing to do. Needs no rights: the package is unpacked, not installed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
env="$here/../../.test-env"
to="$env/prometheus"
fail() { echo "$1" >&2; exit 1; }

mkdir -p "$env"
# Several test processes may come here at once.
if [ "${TESTBED_LOCKED:-}" != "$env" ] && command -v flock >/dev/null; then
    TESTBED_LOCKED="$env" exec flock "$env/lock-prometheus" sh "$0"
fi
[ ! -x "$to/promtool" ] || exit 0

rm -rf "$to" "$to.next"
mkdir "$to.next"
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
    ln -s "$(command -v prometheus)" "$(command -v promtool)" "$to.next/"
else
    command -v apt-get >/dev/null || fail "prometheus is not installed, and there is no apt-get to get it with"
    command -v dpkg-deb >/dev/null || fail "dpkg-deb is missing"
    get() { (cd "$to.next" && apt-get -q download prometheus >&2); }
    get || { apt-get -q update >&2 && get; } || fail "the package prometheus can't be downloaded"
    dpkg-deb -x "$to.next"/prometheus_*.deb "$to.next/package" || fail "the package prometheus can't be unpacked"
    mv "$to.next/package/usr/bin/prometheus" "$to.next/package/usr/bin/promtool" "$to.next/"
    rm -rf "$to.next/package" "$to.next"/prometheus_*.deb
fi
mv "$to.next" "$to"
