# The network of Calico with VXLAN: felix/dataplane/linux/endpoint_mgr.go (settings of a workload's
# link), vxlan_mgr.go (routes and neighbours); two workloads.
ip link add vxlan.calico address 02:00:00:00:01:00 mtu 1450 type vxlan \
    id 4096 local "$NODE" dev eth0 dstport 4789 nolearning
ip address add 10.244.1.0/32 dev vxlan.calico
ip link set vxlan.calico up
ip neighbour add 10.244.2.0 lladdr 02:00:00:00:02:00 dev vxlan.calico nud permanent
bridge fdb add 02:00:00:00:02:00 dev vxlan.calico dst "$CLIENT" self permanent
ip route add 10.244.2.0/26 via 10.244.2.0 dev vxlan.calico onlink proto 80
ip route add blackhole 10.244.1.0/26 proto 80

# workload NAME ADDRESS LINK
workload() {
    pod "$1" "$2/32" "$3"
    ip link set "$3" address ee:ee:ee:ee:ee:ee mtu 1450
    ip -n "$1" route add 169.254.1.1 dev eth0 scope link
    ip -n "$1" route add default via 169.254.1.1 dev eth0
    ip route add "$2" dev "$3" scope link proto 80
    setting "net.ipv4.conf.$3.rp_filter" 1
    setting "net.ipv4.conf.$3.route_localnet" 1
    setting "net.ipv4.conf.$3.proxy_arp" 1
    setting "net.ipv4.neigh.$3.proxy_delay" 0
    setting "net.ipv4.conf.$3.forwarding" 1
}
workload web 10.244.1.5 cali1234567890a
workload api 10.244.1.6 cali234567890ab
