# kube-proxy 1.36 in nftables mode, as recorded; kubelet's chains are in iptables.
. "$SHAPES/pods.sh"
setting net.ipv4.ip_forward 1
setting net.bridge.bridge-nf-call-iptables 1
for family in "" 6; do
    for table in mangle nat filter; do
        "ip${family}tables" -t "$table" -N KUBE-KUBELET-CANARY
    done
    "ip${family}tables" -t mangle -N KUBE-IPTABLES-HINT
done
nft -f "$RULES/healthy-kube-proxy-nftables/nft-list-ruleset.txt"
