# Docker with its own bridge and a second network, on each a container with a published port; without
# containers if CGROUP, which is for them, is empty.
# A machine that does not forward yet: Docker makes it, and lets FORWARD drop.
setting net.ipv4.ip_forward 0
docker() { command docker -H unix:///run/docker.sock "$@"; }
mkdir -p /run/docker-data
dockerd --data-root /run/docker-data --exec-root /run/docker -p /run/docker.pid \
    -H unix:///run/docker.sock --storage-driver vfs --exec-opt native.cgroupdriver=cgroupfs \
    --cgroup-parent "${CGROUP:-none}" >/run/docker.log 2>&1 &
until_ready 30 docker info || { cat /run/docker.log; false; }
docker network create second
if test -n "$CGROUP"; then
    mkdir /run/image
    cp /usr/bin/busybox /run/image/
    tar -C /run/image -c . | docker import - busybox
    docker run -d -p 8080:80 busybox /busybox httpd -f -p 80
    docker run -d --network second -p 8081:80 -p 8082:82/udp busybox /busybox httpd -f -p 80
    for port in 8080 8081; do
        until_ready 5 answers "404 Not Found" "$NODE" "$port"
    done
fi
