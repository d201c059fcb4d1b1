# What every node with kube-proxy in iptables mode has, for the shapes of network plugins:
# kube-proxy 1.36 as recorded, its settings, and kubelet's chains.
. "$SHAPES/pods.sh"
setting net.ipv4.ip_forward 1
setting net.ipv6.conf.all.forwarding 1
setting net.bridge.bridge-nf-call-iptables 1
setting net.bridge.bridge-nf-call-ip6tables 1
setting net.ipv4.conf.all.route_localnet 1
for counter in ct_state_invalid_dropped_pkts localhost_nps_accepted_pkts; do
    nfacct add "$counter"
done
for family in "" 6; do
    "ip${family}tables-restore" <"$RULES/healthy-kube-proxy-iptables/ip${family}tables-nft-save.txt"
done
. "$SHAPES/kubelet.sh"
