# The chains of kubelet (Kubernetes' pkg/kubelet/kubelet_network_linux.go): the hint, the canaries, and
# the guard of 127.0.0.0/8, which it and kube-proxy write alike and only if it is not there.
for family in "" 6; do
    for table in mangle nat filter; do
        "ip${family}tables" -t "$table" -N KUBE-KUBELET-CANARY
    done
    "ip${family}tables" -t mangle -N KUBE-IPTABLES-HINT
done
if ! iptables -n -L KUBE-FIREWALL >/dev/null 2>&1; then
    iptables -N KUBE-FIREWALL
    iptables -I OUTPUT -j KUBE-FIREWALL
    iptables -I INPUT -j KUBE-FIREWALL
    iptables -A KUBE-FIREWALL -m comment --comment "block incoming localnet connections" \
        -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
fi
