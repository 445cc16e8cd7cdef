# checks.sh: what ci-linux and ci-windows have in common. To be sourced, in the root of the checkout, by a script that has
# set `log`, the file that gets the words of all checks. `failed` tells in the end whether one failed.
# shellcheck shell=bash disable=SC2034,SC2154
failed=0
mkdir -p "$(dirname "$log")"
: >"$log"

# install_packages PACKAGE...: from Debian, if this is root on a Debian. What is missing then is told where it is needed.
install_packages() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return 0
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
    { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$@"; } >/dev/null 2>&1 ||
        echo "could not install all of $*" >&2
}

# check WHAT COMMAND...: runs COMMAND, whose own lines of checks are shown, and tells the end of its words if it fails.
check() {
    local what=$1 outcome=ok TIMEFORMAT='%0R s, %0U s of processors'
    shift
    { time "$@" >"$log.part" 2>&1 || outcome=FAILED; } 2>"$log.time"
    grep -E '^(ok|skipped|FAILED): ' "$log.part" || [ "$outcome" = FAILED ] || echo "ok: $what"
    if [ "$outcome" = FAILED ]; then
        # As much as packaging/windows/unit-tests says of a program or two.
        tail -n 120 "$log.part" >&2
        echo "FAILED: $what (log in $log)"
        failed=1
    fi
    echo "    $what: $(cat "$log.time")"
    cat "$log.part" >>"$log"
    rm -f "$log.part" "$log.time"
}
