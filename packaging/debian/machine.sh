# A Debian that boots, beside a network of its own; read with `.` by what tests packages. The machine is a container of
# systemd-nspawn; a link joins it to a network namespace that stands for another machine. Needs root,
# systemd-container, iproute2 and util-linux.
# shellcheck shell=bash

# What the two ends of the link are called by IPv4.
here_address=10.70.72.1
machine_address=10.70.72.2

machine_name=lc$$
machine_root=
machine_pid=
machine_init=
machine_network=

# until_true SECONDS WHAT COMMAND...: tries COMMAND until it succeeds; ends the test if it takes longer.
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "waited too long: $what"
        sleep 0.1
    done
}

# Runs a command on the other machine of the link: this one, in the namespace.
outside() {
    nsenter --net="/run/netns/$machine_network" "$@"
}

# Runs a command inside of the machine.
inside() {
    nsenter --target "$machine_init" --mount --uts --ipc --net --pid --root --wd \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# boot ROOTFS LOG: boots the folder ROOTFS and waits until all of it is up.
boot() {
    machine_root=$1
    machine_network=$machine_name
    ip netns add "$machine_network"
    outside ip link set lo up
    mkdir -p "$machine_root/etc/systemd/network"
    printf '[Match]\nName=host0\n[Network]\nAddress=%s/24\n' "$machine_address" \
        >"$machine_root/etc/systemd/network/10-link.network"
    systemctl --quiet --root="$machine_root" enable systemd-networkd 2>/dev/null
    echo "$machine_name" >"$machine_root/etc/hostname"
    # Not `ip netns exec`: that hides the control groups, which the container needs.
    outside systemd-nspawn --register=no --keep-unit --quiet --machine="$machine_name" --directory="$machine_root" \
        --network-veth --link-journal=no --boot --console=pipe </dev/null >"$2" 2>&1 &
    machine_pid=$!
    until_true 30 "the machine starts" find_init
    until_true 30 "the link is there" outside ip link set "ve-$machine_name" up
    outside ip address add "$here_address/24" dev "ve-$machine_name"
    until_true 60 "the machine is up" inside systemctl --quiet is-active multi-user.target
    until_true 30 "the link works" machine_answers
}

find_init() {
    machine_init=$(pgrep --parent "$(pgrep --parent "$machine_pid" --full systemd-nspawn || echo "$machine_pid")" |
        head -n 1)
    [ -n "$machine_init" ] && inside systemctl --quiet is-active dbus.socket
}

# A neighbour that was spoken to and answered has an address.
machine_answers() {
    outside bash -c "echo >/dev/udp/$machine_address/9"
    outside ip neighbour show "$machine_address" | grep -q lladdr
}

# Switches the machine off and waits for its end.
power_off() {
    inside systemctl poweroff || true
    wait "$machine_pid" || true
    machine_pid=
}

# Takes away all that boot made, as far as it got. For a trap: nothing here fails.
remove_machine() {
    if [ -n "$machine_pid" ]; then
        kill -KILL "${machine_init:-$machine_pid}" 2>/dev/null || true
        wait "$machine_pid" 2>/dev/null || true
    fi
    [ -z "$machine_network" ] || ip netns delete "$machine_network" 2>/dev/null || true
    [ -z "$machine_root" ] || rm -rf "$machine_root" || true
}
