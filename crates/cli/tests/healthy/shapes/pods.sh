# Pods, and traffic between them: a node is healthy if its network works.

# pod NAME ADDRESS LINK: a Pod's namespace with its end of a link
pod() {
    ip netns add "$1"
    ip link add "$3" type veth peer name eth0 netns "$1"
    ip link set "$3" up
    ip -n "$1" link set lo up
    ip -n "$1" address add "$2" dev eth0
    ip -n "$1" link set eth0 up
}

# bridged BRIDGE: two Pods behind a bridge with the first address of their network
bridged() {
    ip link add "$1" type bridge
    ip address add 10.244.1.1/24 dev "$1"
    ip link set "$1" up
    pod web 10.244.1.5/24 veth0a1b2c3d
    pod api 10.244.1.6/24 veth4e5f6a7b
    for link in veth0a1b2c3d veth4e5f6a7b; do
        ip link set "$link" master "$1"
    done
    for name in web api; do
        ip -n "$name" route add default via 10.244.1.1
    done
}

# serves NAME PORT: the Pod answers with its name
serves() {
    mkdir "/run/$1"
    echo "$1" >"/run/$1/who"
    ip netns exec "$1" busybox httpd -p "$2" -h "/run/$1"
}

# talk: Pod to Pod, and Pod and node to a Service (default/lb of the recorded rules)
talk() {
    serves web 8080
    serves api 8443
    until_ready 5 answers web 10.244.1.5 8080 ip netns exec api
    until_ready 5 answers api 10.96.187.247 443 ip netns exec web
    until_ready 5 answers api 10.96.187.247 443
}
