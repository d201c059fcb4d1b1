# The network of flannel with VXLAN: flannel's pkg/backend/vxlan (routes by way of the far side's
# address), the plugin bridge for its Pods.
ip link add flannel.1 address 02:00:00:00:01:00 mtu 1450 type vxlan \
    id 1 local "$NODE" dev eth0 dstport 8472 nolearning
ip address add 10.244.1.0/32 dev flannel.1
ip link set flannel.1 up
ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
ip neighbour add 10.244.2.0 lladdr 02:00:00:00:02:00 dev flannel.1 nud permanent
bridge fdb add 02:00:00:00:02:00 dev flannel.1 dst "$CLIENT" self permanent
bridged cni0
