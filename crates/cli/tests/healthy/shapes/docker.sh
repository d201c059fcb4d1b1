# Docker with its own bridge and a second network, on each a container with a published port.
docker() { command docker -H unix:///run/docker.sock "$@"; }
mkdir -p /run/docker-data
dockerd --data-root /run/docker-data --exec-root /run/docker -p /run/docker.pid \
    -H unix:///run/docker.sock --storage-driver vfs --exec-opt native.cgroupdriver=cgroupfs \
    --cgroup-parent "$CGROUP" >/run/docker.log 2>&1 &
until_ready 30 docker info || { cat /run/docker.log; false; }
mkdir /run/image
cp /usr/bin/busybox /run/image/
tar -C /run/image -c . | docker import - busybox
docker network create second
docker run -d --name one -p 8080:80 busybox /busybox sleep 600
docker run -d --name two --network second -p 8081:80 -p 8082:82/udp busybox /busybox sleep 600
