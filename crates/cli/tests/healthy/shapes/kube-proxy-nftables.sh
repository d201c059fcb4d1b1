# kube-proxy in nftables mode and a plugin that only bridges.
. "$SHAPES/kubernetes-nftables.sh"
bridged cni0
talk
