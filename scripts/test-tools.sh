#!/usr/bin/env bash
# What the tests need beside npm's packages, all of it Debian's: installed where that is allowed, named where it is not.
set -euo pipefail

# NIST's CAVP vectors; the other ends of the command line's tests and the shells it completes in; prlimit, which makes disks full; a minimal Debian.
packages=()
need() { # need PACKAGE TEST...: the package, unless the test says that it is there
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || packages+=("$package")
}
need python3-cryptography-vectors test -d /usr/lib/python3/dist-packages/cryptography_vectors
need openssl command -v openssl
need cryptsetup-bin command -v cryptsetup
need gocryptfs command -v gocryptfs
need util-linux command -v prlimit
need mmdebstrap command -v mmdebstrap
need python3 command -v python3
need bsdutils command -v script
need zsh command -v zsh
need fish command -v fish

[ ${#packages[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "Installing for the tests: ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
else
  echo "The tests need Debian's packages: ${packages[*]}" >&2
  echo "  sudo apt-get install ${packages[*]}" >&2
  exit 1
fi
