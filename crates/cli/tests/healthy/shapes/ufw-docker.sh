# Docker beside ufw, which drops what nobody lets through.
. "$SHAPES/ufw.sh"
. "$SHAPES/docker.sh"
