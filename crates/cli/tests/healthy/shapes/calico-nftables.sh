# Calico with VXLAN and its nftables dataplane, beside kube-proxy in nftables mode: the chains of the
# iptables dataplane as layers of one table (felix/nftables/table.go, table_layer.go), sets and verdict
# maps in it.
. "$SHAPES/kubernetes-nftables.sh"
. "$SHAPES/calico-network.sh"
nft -f "$SHAPES/calico.nft"
talk
