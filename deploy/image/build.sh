#!/usr/bin/env bash
# Builds the image from the root that static.sh laid out, with no registry and no daemon.
#
#   deploy/image/build.sh ROOT STORE NAME[:TAG]
#
# The last stage of the Dockerfile, with ROOT in the place of the stage `build`. STORE holds the
# image and everything else that buildah keeps; nothing of the machine's own image store is touched.
# The driver vfs and the isolation chroot need no kernel feature and work inside containers.
set -euo pipefail
root=${1:?usage: build.sh ROOT STORE NAME}
store=${2:?}
name=${3:?}
here=$(cd "$(dirname "$0")" && pwd)

last_stage=$(mktemp)
trap 'rm -f "$last_stage"' EXIT
sed -n '/^FROM scratch/,$p' "$here/Dockerfile" |
  sed 's|^COPY --from=build /root-of-image /|COPY . /|' >"$last_stage"
grep -q '^COPY \. /' "$last_stage"
buildah --root "$store/root" --runroot "$store/run" --storage-driver vfs build \
  --isolation chroot --timestamp 0 --file "$last_stage" --tag "$name" "$root"
