# A node that had Docker before it had Kubernetes: Docker's chains and its FORWARD policy of DROP,
# kube-proxy in nftables mode, flannel in iptables mode.
. "$SHAPES/docker.sh"
. "$SHAPES/kubernetes-nftables.sh"
. "$SHAPES/flannel-network.sh"
iptables-restore --noflush <"$SHAPES/flannel.rules"
talk
