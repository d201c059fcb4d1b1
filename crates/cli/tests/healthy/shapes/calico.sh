# Calico with VXLAN and its iptables dataplane: felix/rules/static.go, endpoints.go and dispatch.go
# (chains, marks, order), felix/ipsets (names). One workload has a policy; the other accepts by its
# profile.
. "$SHAPES/kubernetes-iptables.sh"
. "$SHAPES/calico-network.sh"
ipset restore <<X
create cali40all-vxlan-net hash:net family inet maxelem 1048576
add cali40all-vxlan-net $CLIENT
create cali40masq-ipam-pools hash:net family inet maxelem 1048576
add cali40masq-ipam-pools 10.244.0.0/16
create cali40all-ipam-pools hash:net family inet maxelem 1048576
add cali40all-ipam-pools 10.244.0.0/16
create cali40this-host hash:ip family inet maxelem 1048576
add cali40this-host $NODE
add cali40this-host 127.0.0.1
create cali40s:aaaaaaaaaaaaaaaaaaaaaaa hash:net family inet maxelem 1048576
add cali40s:aaaaaaaaaaaaaaaaaaaaaaa 10.244.1.6
X
iptables-restore --noflush <"$SHAPES/calico.rules"
talk
