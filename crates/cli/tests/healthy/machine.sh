# Makes a machine of its own out of a mount and a PID namespace in the lab's node, gives it the shape
# that is asked for and lets the doctor look. What the tools say goes to standard error; standard
# output has the doctor's report, the exit code is the doctor's. 99: the shape could not be built.
#
# In the environment: SHAPES (this folder's shapes), SHAPE, BACKEND (nft or legacy), UNPACKED (programs
# beside), RULES (rules recorded or written down), NODE, CLIENT and CLIENT6 (addresses), NETKEEP.
set -eu
trap 'test "${built:-}" || exit 99' EXIT
exec 3>&1 1>&2

# What programs write stays in memory and goes with the namespace, whatever happens.
mount -t tmpfs tmpfs /run
mkdir -p /run/.over/etc /run/.over/var /run/.work/etc /run/.work/var
mount -t overlay -o "lowerdir=$UNPACKED/usr:/usr" overlay /usr
for part in etc var; do
    mkdir -p "$UNPACKED/$part"
    mount -t overlay overlay "/$part" \
        -o "lowerdir=$UNPACKED/$part:/$part,upperdir=/run/.over/$part,workdir=/run/.work/$part"
done

# Programs in Python are compiled once.
export PYTHONPYCACHEPREFIX=/run/.python

# The administrator's choice of a backend, as Debian keeps it.
for program in iptables ip6tables; do
    ln -sf "/usr/sbin/$program-$BACKEND" "/etc/alternatives/$program"
    ln -sf "/usr/sbin/$program-$BACKEND-restore" "/etc/alternatives/$program-restore"
    ln -sf "/usr/sbin/$program-$BACKEND-save" "/etc/alternatives/$program-save"
done

# A node has a way out.
ip route add default via "$CLIENT"
ip -6 route add default via "$CLIENT6"

# until SECONDS COMMAND...: waits for a command to succeed
until_ready() {
    turns=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        turns=$((turns - 1))
        test $turns -gt 0 || { echo "never ready: $*"; return 1; }
        sleep 0.1
    done
}

# answers WORD ADDRESS PORT [COMMAND...]: the HTTP server there says so, asked by way of the command
answers() {
    word=$1 address=$2 port=$3
    shift 3
    printf 'GET /who HTTP/1.0\r\n\r\n' |
        "$@" timeout 2 busybox nc "$address" "$port" | grep -q "$word"
}

# setting NAME VALUE: a sysctl, if the kernel has it
setting() {
    file="/proc/sys/$(echo "$1" | tr . /)"
    if test -e "$file"; then echo "$2" >"$file"; fi
}

. "$SHAPES/$SHAPE.sh"

built=yes
set +e
"$NETKEEP" doctor -o json >&3
exit $?
