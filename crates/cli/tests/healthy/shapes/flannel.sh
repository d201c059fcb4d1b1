# flannel with VXLAN: flannel's pkg/trafficmngr/iptables/iptables.go (chains and their rules),
# pkg/backend/vxlan/vxlan_network.go (routes by way of the far side's address), and the CNI plugins
# bridge, portmap and firewall for its Pods.
. "$SHAPES/kubernetes.sh"
ip link add flannel.1 address 02:00:00:00:01:00 mtu 1450 type vxlan \
    id 1 local "$NODE" dev eth0 dstport 8472 nolearning
ip address add 10.244.1.0/32 dev flannel.1
ip link set flannel.1 up
ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
ip neighbour add 10.244.2.0 lladdr 02:00:00:00:02:00 dev flannel.1 nud permanent
bridge fdb add 02:00:00:00:02:00 dev flannel.1 dst "$CLIENT" self permanent
ip link add cni0 mtu 1450 type bridge
ip address add 10.244.1.1/24 dev cni0
ip link set cni0 up
bridged web 10.244.1.5 cni0 veth0a1b2c3d 10.244.1.1
bridged api 10.244.1.6 cni0 veth4e5f6a7b 10.244.1.1
setting net.ipv4.conf.cni0.route_localnet 1
iptables-restore --noflush <"$SHAPES/flannel.rules"
