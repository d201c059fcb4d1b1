. "$SHAPES/kubernetes.sh"
