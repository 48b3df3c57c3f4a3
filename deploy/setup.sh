#!/usr/bin/env bash
# Brings what building, testing and the demo need, and says what it does. Quick when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
state="${POCO_STATE:-$HOME/.cache/poco}"
mkdir -p "$state"

say() { printf 'setup: %s\n' "$*"; }

is_root() { [ "$(id -u)" = 0 ]; }

# Every program that is missing, as the Debian packages that bring them.
missing_packages() {
  command -v cc >/dev/null || echo build-essential
  command -v npm >/dev/null || echo nodejs npm
  command -v dockerd >/dev/null || [ -S /var/run/docker.sock ] || echo docker.io
  command -v docker >/dev/null || echo docker.io
  command -v docker-registry >/dev/null || echo docker-registry
  command -v mkfs.ext4 >/dev/null || [ -x /sbin/mkfs.ext4 ] || echo e2fsprogs
  command -v ip >/dev/null || [ -x /sbin/ip ] || echo iproute2
  [ -x /bin/busybox ] || [ -x /usr/bin/busybox ] || echo busybox-static
  [ -e /usr/include/rocksdb/c.h ] || echo librocksdb-dev
  compgen -G '/usr/lib/llvm-*/lib/libclang-*.so*' >/dev/null || echo libclang-dev
  compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' >/dev/null || echo clang
}

install_packages() {
  local packages
  packages="$(missing_packages | tr ' ' '\n' | sort -u | tr '\n' ' ')"
  [ -z "${packages// /}" ] && return
  if is_root && command -v apt-get >/dev/null; then
    say "installing with apt: $packages"
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $packages >"$state/apt.log" 2>&1 \
      || { say "apt failed; see $state/apt.log"; exit 1; }
    return
  fi
  say "missing: $packages"
  say "install them, on Debian or Ubuntu with: sudo apt-get install $packages"
  exit 1
}

start_engine() {
  docker version >/dev/null 2>&1 && return
  if ! is_root; then
    say "no docker engine answers: start it, or join the group docker (sudo usermod -aG docker $(id -un))"
    exit 1
  fi
  say "starting the docker engine in the background (log: $state/dockerd.log)"
  setsid nohup dockerd >"$state/dockerd.log" 2>&1 </dev/null &
  echo $! >"$state/dockerd.pid"
  for _ in $(seq 100); do
    docker version >/dev/null 2>&1 && return
    sleep 0.3
  done
  say "the docker engine does not answer; see $state/dockerd.log"
  exit 1
}

install_node_modules() {
  local stamp=contracts/node_modules/.poco-stamp
  cmp -s contracts/package-lock.json "$stamp" && return
  say "installing foundry and solc from npm"
  (cd contracts && npm ci --no-audit --no-fund >"$state/npm.log" 2>&1) \
    || { say "npm failed; see $state/npm.log"; exit 1; }
  cp contracts/package-lock.json "$stamp"
}

# Debian's RocksDB is linked in seconds; without it the crate builds its own, in minutes.
link_rocksdb() {
  [ -e /usr/include/rocksdb/c.h ] || return 0
  local library
  library="$(dirname "$(find /usr/lib -name librocksdb.so -print -quit)")"
  local wanted
  wanted="$(printf '[env]\nROCKSDB_LIB_DIR = "%s"\nROCKSDB_INCLUDE_DIR = "/usr/include"\n' "$library")"
  [ -f .cargo/config.toml ] && [ "$(cat .cargo/config.toml)" = "$wanted" ] && return
  mkdir -p .cargo
  printf '%s\n' "$wanted" >.cargo/config.toml
}

if ! command -v cargo >/dev/null; then
  say "Rust is missing: install it from https://rustup.rs"
  exit 1
fi
install_packages
link_rocksdb
install_node_modules
start_engine
