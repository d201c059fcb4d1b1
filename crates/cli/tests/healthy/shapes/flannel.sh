# flannel: its pkg/trafficmngr/iptables/iptables.go (chains and their rules), and the CNI plugins
# bridge, portmap and firewall for its Pods. Something on the node, as Docker does, drops what nobody
# lets through.
. "$SHAPES/kubernetes-iptables.sh"
. "$SHAPES/flannel-network.sh"
iptables -P FORWARD DROP
# by portmap, for ports of hosts on localhost
setting net.ipv4.conf.cni0.route_localnet 1
iptables-restore --noflush <"$SHAPES/flannel.rules"
talk
