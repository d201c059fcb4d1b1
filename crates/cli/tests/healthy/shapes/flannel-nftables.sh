# flannel in nftables mode (its pkg/trafficmngr/nftables/nftables.go), beside kube-proxy in that mode.
. "$SHAPES/kubernetes-nftables.sh"
. "$SHAPES/flannel-network.sh"
nft -f - <<X
table ip flannel-ipv4 {
    comment "rules for flannel-ipv4"
    chain forward {
        comment "chain to accept flannel traffic"
        type filter hook forward priority filter
        ip saddr 10.244.0.0/16 accept
        ip daddr 10.244.0.0/16 accept
    }
    chain postrtg {
        comment "chain to manage traffic masquerading by flannel"
        type nat hook postrouting priority srcnat
        meta mark 0x4000 return
        ip saddr 10.244.1.0/24 ip daddr 10.244.0.0/16 return
        ip saddr 10.244.0.0/16 ip daddr 10.244.1.0/24 return
        ip saddr != 10.244.1.0/24 ip daddr 10.244.0.0/16 return
        ip saddr 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
        ip saddr != 10.244.0.0/16 ip daddr 10.244.0.0/16 masquerade fully-random
    }
}
table ip6 flannel-ipv6 {
    comment "rules for flannel-ipv6"
}
X
talk
