# What all packaging scripts agree on; read by them with `.`, not run. Sets root, version, work and dist, and lets
# nothing of the surroundings into a package: its dates are the commit's, its modes and its words are not the user's.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
work=$root/target/packaging
dist=$work/dist

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# need PROGRAM PACKAGE: ends with the name of the Debian package that has PROGRAM, unless it is there.
need() {
    command -v "$1" >/dev/null || fail "$1 is missing: apt-get install $2"
}

need cargo "cargo, or see https://rustup.rs"
version=$(cd "$root" && cargo pkgid --offline --package lanchat)
version=${version##*[#@]}
[ -n "$version" ] || fail "cargo does not tell the version of lanchat"

if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct 2>/dev/null) ||
        fail "no commit tells the date of the packages: set SOURCE_DATE_EPOCH to seconds since 1970"
fi
export SOURCE_DATE_EPOCH LC_ALL=C.UTF-8 TZ=UTC
umask 022
mkdir -p "$dist"
