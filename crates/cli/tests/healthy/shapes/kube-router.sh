# kube-router for routes and policies beside kube-proxy: pkg/controllers/netpol/npc_iptables.go and
# pod.go (chains, marks, order), pkg/controllers/routing (the bridge, sets, masquerading, routes of
# protocol 17, the rule to table 77). One Pod has a policy, the other only the
# defaults; none has an IPv6 address.
. "$SHAPES/kubernetes-iptables.sh"
bridged kube-bridge
ip route add 10.244.2.0/24 via "$CLIENT" dev eth0 proto 17
ip rule add from 10.244.1.0/24 lookup 77
ip route add 10.244.2.0/24 via "$CLIENT" dev eth0 proto 17 table 77
ipset restore <<X
create kube-router-pod-subnets hash:net family inet timeout 0
add kube-router-pod-subnets 10.244.1.0/24 timeout 0
add kube-router-pod-subnets 10.244.2.0/24 timeout 0
create kube-router-node-ips hash:ip family inet timeout 0
add kube-router-node-ips $NODE timeout 0
add kube-router-node-ips $CLIENT timeout 0
create KUBE-SRC-AAAAAAAAAAAAAAAA hash:ip family inet timeout 0
add KUBE-SRC-AAAAAAAAAAAAAAAA 10.244.1.6 timeout 0
create KUBE-DST-BBBBBBBBBBBBBBBB hash:ip family inet timeout 0
add KUBE-DST-BBBBBBBBBBBBBBBB 10.244.1.5 timeout 0
create kube-router-local-pods hash:ip family inet timeout 0
add kube-router-local-pods 10.244.1.5 timeout 0
add kube-router-local-pods 10.244.1.6 timeout 0
X
iptables-restore --noflush <"$SHAPES/kube-router.rules"
ip6tables-restore --noflush <"$SHAPES/kube-router6.rules"
talk
