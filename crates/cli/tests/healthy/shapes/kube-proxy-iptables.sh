# kube-proxy in iptables mode and a plugin that only bridges.
. "$SHAPES/kubernetes-iptables.sh"
bridged cni0
talk
