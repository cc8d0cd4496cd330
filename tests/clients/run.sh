#!/usr/bin/env bash
# Holds amk-mcp to real clients, which npm installs into the build directory.
#   run.sh BUILD_DIR install       what is in packages/protocol: the SDKs, the Inspector, the conformance suite, a Node
#   run.sh BUILD_DIR CHECK         sdk, inspector, conformance, claude, codex
# Exit: 0 held; 77 skipped, and a line that starts with "SKIPPED:" says what and why; else the check failed.
# AMK_CLIENTS=off skips all of them. npm's cache is $XDG_CACHE_HOME/npm where that is set, else npm's own.
set -euo pipefail
readonly here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly build=$(cd "${1:?BUILD_DIR}" && pwd)
readonly check=${2:?install, sdk, inspector, conformance, claude or codex}
readonly clients=$build/clients
readonly install_seconds_max=300

skip() {
  printf 'SKIPPED: clients_%s: %s\n' "$check" "$1"
  exit 77
}

# What npm says when it cannot get at a package, as against a package that is not what the lock file says.
readonly out_of_reach='ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET|ENOTCACHED|EPROXY|E40[0-9]|E5[0-9][0-9]|CERT'

npm_ci() {
  local cache=()
  [[ -z ${XDG_CACHE_HOME-} ]] || cache=(--cache "$XDG_CACHE_HOME/npm")
  # No install scripts: none of these packages needs its own, and what npm runs here should be known.
  timeout "$install_seconds_max" npm ci "${cache[@]}" --ignore-scripts --prefer-offline --no-audit --no-fund \
    --no-progress --loglevel=error --fetch-retries=1 --fetch-retry-mintimeout=1000
}

# install PACKAGE: as its lock file says, once for each lock file. Skips where that cannot be had.
install() {
  local folder=$clients/$1 lock stamp log code=0
  lock=$(sha256sum <"$here/packages/$1/package-lock.json")
  stamp=$folder/installed
  [[ ! -e $stamp || $(<"$stamp") != "$lock" ]] || return 0
  command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed (./dev setup clients)"
  mkdir -p "$folder"
  rm -rf "$stamp" "$folder/node_modules"
  cp "$here/packages/$1/"{package.json,package-lock.json,.npmrc} "$folder"
  log=$folder/npm.log
  (cd "$folder" && npm_ci) >"$log" 2>&1 </dev/null || code=$?
  if ((code == 124)); then skip "npm took more than $install_seconds_max s"; fi
  if ((code != 0)) && grep -qE "$out_of_reach" "$log"; then
    skip "npm is out of reach: $(grep -m 1 -E "$out_of_reach" "$log")"
  fi
  if ((code != 0)); then
    cat "$log"
    printf 'expected npm to install packages/%s, found exit code %s\n' "$1" "$code"
    exit 1
  fi
  printf '%s' "$lock" >"$stamp"
}

# The Node of packages/protocol: Debian's is too old for some of the clients.
find_node() {
  node=$clients/protocol/node_modules/.bin/node
  "$node" --version >/dev/null 2>&1 || skip "there is no Node 22 for this machine among packages/protocol"
}

[[ ${AMK_CLIENTS-} != off ]] || skip "AMK_CLIENTS=off"
case $check in
  install | sdk | inspector | conformance) install protocol ;;
  claude | codex)
    install protocol
    install "$check"
    ;;
  *)
    printf 'expected install, sdk, inspector, conformance, claude or codex, found %s\n' "$check" >&2
    exit 2
    ;;
esac
find_node
if [[ $check == install ]]; then
  printf 'installed, with Node %s\n' "$("$node" --version)"
  exit 0
fi
export PATH=$clients/protocol/node_modules/.bin:$PATH AMK_BUILD_DIR=$build
exec "$node" "$here/$check.mjs"
