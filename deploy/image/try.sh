#!/usr/bin/env bash
# Runs the image's binary in the image's root, as the DaemonSet does: chroot, no new privileges,
# CAP_NET_ADMIN and nothing else, a network namespace of its own. Fails at the first surprise.
#
#   deploy/image/try.sh ROOT        ROOT: the mounted image; run as root
set -euo pipefail
root=$(realpath "${1:?usage: try.sh ROOT}")
if [ "${2:-}" != inside ]; then
  # Namespaces die with their last process, and with them every mount, rule and process made here.
  exec unshare --net --mount --pid --fork --kill-child -- "$0" "$root" inside
fi

fail() {
  echo "try.sh: $*" >&2
  exit 1
}

work=$(mktemp -d)
agent=
finish() {
  [ -z "$agent" ] || kill -KILL "$agent" 2>/dev/null || :
  rm -rf "$work"
}
trap finish EXIT
mkdir -p "$work/manifests" "$work/state" "$root/etc/netkeep" "$root/var/lib/netkeep" "$root/proc"
cat >"$work/manifests/all.yaml" <<'YAML'
apiVersion: v1
kind: Node
metadata: {name: node-1, uid: node-1}
status: {addresses: [{type: InternalIP, address: 192.0.2.10}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: default, uid: web-0, labels: {app: web}}
spec: {nodeName: node-1, containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
status: {phase: Running, podIP: 198.51.100.5, podIPs: [{ip: 198.51.100.5}], hostIP: 192.0.2.10}
---
apiVersion: v1
kind: Service
metadata:
  {name: web, namespace: default, uid: web, annotations: {nodeportlocal.antrea.io/enabled: "true"}}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080, protocol: TCP}]}
YAML
mount --bind "$work/manifests" "$root/etc/netkeep"
mount --bind "$work/state" "$root/var/lib/netkeep"
mount -t proc proc "$root/proc"
ip link set lo up

last=$(cat /proc/sys/kernel/cap_last_cap)
all_but_net_admin=$(seq 0 "$last" | grep -vx 12 | paste -sd,)
netkeep() {
  capsh --chroot="$root" --no-new-privs --drop="$all_but_net_admin" --shell=/usr/bin/netkeep -- "$@"
}
expect() { # CODE TEXT ARGS...: the exit code, and what is printed contains TEXT
  local code=$1 text=$2 got=0 out
  shift 2
  out=$(netkeep "$@" 2>&1) || got=$?
  [ "$got" = "$code" ] || fail "netkeep $*: exit code $got, not $code: $out"
  grep -qF -- "$text" <<<"$out" || fail "netkeep $*: no \"$text\" in: $out"
  echo "ok: netkeep $* (exit $code): $(grep -m1 -F -- "$text" <<<"$out")"
}
within() { # SECONDS COMMAND...: until it succeeds
  local left=$(($1 * 10))
  shift
  until "$@"; do
    ((left-- > 0)) || fail "in vain: $*"
    sleep 0.1
  done
}
objects=(--node node-1 --source dir:/etc/netkeep)
programmed() { netkeep show npl 2>/dev/null | grep -q 'default/web-0.*61000.*programmed'; }
gone() { ! kill -0 "$agent" 2>/dev/null; }

expect 0 "netkeep " --version
expect 2 "default/web-0" plan "${objects[@]}"
capsh --chroot="$root" --no-new-privs --drop="$all_but_net_admin" --shell=/usr/bin/netkeep -- \
  agent "${objects[@]}" --metrics 127.0.0.1:9105 2>"$work/log" &
agent=$!
within 20 programmed
grep -qx "CapEff:[[:space:]]0000000000001000" "$root/proc/$agent/status" || fail "not CAP_NET_ADMIN alone"
echo "ok: the agent programs with CAP_NET_ADMIN alone"
expect 0 "programmed" show npl
expect 0 "tcp" show npl --kernel
kill -TERM "$agent"
within 5 gone
wait "$agent" || fail "the agent's exit code is $?: $(cat "$work/log")"
echo "ok: SIGTERM ends it"
expect 0 "default/web-0" show npl --kernel
expect 0 "" uninstall --yes
[ -z "$(ls -A "$work/state")" ] || fail "uninstall left $(ls -A "$work/state")"
expect 2 "add table" plan "${objects[@]}"
echo "ok: the image works"
