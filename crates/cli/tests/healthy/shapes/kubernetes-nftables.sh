# kube-proxy 1.36 in nftables mode, as recorded; kubelet's chains are in iptables.
. "$SHAPES/pods.sh"
setting net.ipv4.ip_forward 1
setting net.bridge.bridge-nf-call-iptables 1
nft -f "$RULES/healthy-kube-proxy-nftables/nft-list-ruleset.txt"
. "$SHAPES/kubelet.sh"
