#!/bin/sh
# container.sh ROOT NODE APP DATA SECRETS COMMAND …: run a command as user 1000 in ROOT, which it sees read-only, with APP
# and SECRETS read-only and DATA writable. The mounts are in a namespace of their own and go with it; exec keeps the pid.
set -eu
if [ "${KEYCELL_NAMESPACE:-}" = "" ]; then
  KEYCELL_NAMESPACE=1 exec unshare --mount --propagation private "$0" "$@"
fi
root=$1 node=$2 app=$3 data=$4 secrets=$5
shift 5
readonly_bind() {
  mount --bind "$1" "$2"
  mount -o remount,bind,ro "$2"
}
readonly_bind "$root" "$root"
readonly_bind "$node" "$root/usr/local/bin/node"
readonly_bind "$app" "$root/app"
mount --bind "$data" "$root/data"
readonly_bind "$secrets" "$root/run/secrets"
mount -t proc proc "$root/proc"
mount -t tmpfs -o size=64k,mode=755 tmpfs "$root/dev"
for device in null zero random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
exec chroot --userspec=1000:1000 "$root" /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/nonexistent PORT=0 "$@"
