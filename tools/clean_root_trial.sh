#!/usr/bin/env bash
# Tries the project as a stranger would: makes a bare Debian 12 in a temporary folder, clones what is committed here
# into it, and runs a command there (./dev test when none is given) without a terminal, as root.
#
#   usage: tools/clean_root_trial.sh [COMMAND ARGS...]        needs: root, debootstrap, git
#
# apt in there is configured as it is out here: mirrors, keys, certificates, proxies. Nothing is left behind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

((EUID == 0)) || { echo "clean_root_trial.sh: must be run as root" >&2; exit 2; }
for tool in debootstrap git chroot; do
  command -v "$tool" >/dev/null || { echo "clean_root_trial.sh: $tool is missing" >&2; exit 2; }
done
(($#)) || set -- ./dev test
command=$(printf '%q ' "$@")

base=$(mktemp -d "${TMPDIR:-/tmp}/amk-clean-root.XXXXXX")
root=$base/root
# shellcheck disable=SC2317  # the trap calls it
cleanup() {
  local mount
  # Innermost first. What cannot be unmounted now is let go of, and --one-file-system keeps rm out of it.
  for mount in "$root/dev/shm" "$root/proc"; do
    if mountpoint -q "$mount"; then umount "$mount" || umount --lazy "$mount"; fi
  done
  rm -rf --one-file-system "$base"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# The first Debian mirror that apt uses here, in either format of its lists.
mirror() {
  {
    sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\/debian\/\{0,1\}\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
    sed -n 's/^URIs: *\([^ ]*\/debian\/\{0,1\}\)\( .*\)\{0,1\}$/\1/p' /etc/apt/sources.list.d/*.sources
    echo http://deb.debian.org/debian
  } 2>/dev/null | head -n 1
}

make_root() {
  debootstrap --variant=minbase bookworm "$root" "$(mirror)" >"$base/debootstrap.log" 2>&1 ||
    { tail -n 20 "$base/debootstrap.log" >&2; echo "clean_root_trial.sh: debootstrap failed" >&2; exit 2; }
  local path
  for path in /etc/apt /etc/resolv.conf /etc/hosts /etc/ssl/certs /usr/share/keyrings /usr/local/share/ca-certificates; do
    [[ -e $path ]] || continue
    rm -rf "${root:?}$path"
    mkdir -p "$root${path%/*}"
    cp -RL "$path" "$root$path" 2>/dev/null || true  # a dangling link is no loss
  done
  mount -t proc proc "$root/proc"
  mkdir -p "$root/dev/shm"
  mount -t tmpfs tmpfs "$root/dev/shm"
}

# The proxy settings apt and git may need, and nothing else of this environment.
environment() { env | grep -iE '^(https?|ftp|no|all)_proxy=' || true; }

if [[ -n $(git status --porcelain) ]]; then
  echo "clean_root_trial.sh: note: what is not committed is not tried" >&2
fi
echo "== making a bare Debian 12"
make_root
git clone -q --no-hardlinks . "$root/srv/amk"
echo "== in it: $command(commit $(git rev-parse --short HEAD), $(chroot "$root" dpkg-query -W | wc -l) packages installed)"
mapfile -t settings < <(environment)
status=0
SECONDS=0
chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp "${settings[@]}" \
  bash -c "cd /srv/amk && $command" </dev/null || status=$?
echo "== exit status $status after $SECONDS s"
exit "$status"
