#!/usr/bin/env bash
# Builds the static binary and lays out the root of the image in the directory OUT.
#
#   deploy/image/static.sh OUT [PROFILE]      PROFILE: release (default) or dev
#
# glibc, linked statically (crt-static) by Rust's own GNU target: needs no other toolchain, only
# Debian's libc6-dev, and a C compiler for the cryptography. Names are resolved inside the binary
# (since glibc 2.34 "files" and "dns" are built in), so no library of the host is opened.
#
# The flag is given to the last crate only: linking is all it changes, so that the crates below are
# taken from an ordinary build of the same profile where there is one.
set -euo pipefail
out=${1:?usage: static.sh OUT [PROFILE]}
profile=${2:-release}
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
directory=$profile
[ "$profile" = dev ] && directory=debug

cargo rustc --locked --package netkeep-cli --bin netkeep --profile "$profile" -- \
  -C target-feature=+crt-static
mkdir -p "$out/usr/bin" "$out/usr/share/licenses/netkeep" "$out/etc" "$out/run/netkeep" \
  "$out/var/lib/netkeep" "$out/tmp"
# Without debug information; the names of functions stay, for backtraces.
strip --strip-debug -o "$out/usr/bin/netkeep" "$target/$directory/netkeep"
cp LICENSE-MIT LICENSE-APACHE "$out/usr/share/licenses/netkeep/"
# Without this file a resolver may ask DNS before /etc/hosts.
echo 'hosts: files dns' >"$out/etc/nsswitch.conf"
