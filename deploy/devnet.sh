#!/usr/bin/env bash
# A chain for development with all contracts, in the foreground: anvil, its state kept in a file.
# RPC_PORT, BLOCK_TIME, POCO_DATA and ADDRESSES change what deploy/settings.sh says.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/settings.sh
. deploy/processes.sh
check_settings
open_data_folder

folder="$POCO_DATA/chain"
log="$folder/anvil.log"
known="$folder/addresses.toml"
anvil=""
deployer=""

# anvil writes its state when it is interrupted. A state that takes longer than 20 s to write is not
# one of a devnet.
stop_anvil() {
  trap '' INT TERM HUP
  if [ -n "$deployer" ]; then
    kill -KILL "$deployer" 2>/dev/null || true
    wait "$deployer" 2>/dev/null || true
  fi
  [ -n "$anvil" ] || return 0
  kill -INT "$anvil" 2>/dev/null || true
  for _ in $(seq 200); do
    is_alive "$anvil" || break
    sleep 0.1
  done
  kill -KILL "$anvil" 2>/dev/null || true
  wait "$anvil" 2>/dev/null || true
  anvil=""
}

# shellcheck disable=SC2317 # called by a signal
stopped() {
  stop_anvil
  say "stopped; the state is in $folder"
  exit 0
}

# Only one anvil may write a state file. It has the lock as long as it lives.
lock() {
  mkdir -p "$folder"
  check_chain_is_free
  exec 9>>"$folder/lock"
  flock -n 9 || fail "another devnet starts in $POCO_DATA"
  echo $$ >"$folder/lock"
  if is_taken "$RPC_PORT"; then
    fail "port $RPC_PORT is taken: stop what uses it, or choose another with RPC_PORT=…"
  fi
}

start_anvil() {
  local options=(--port "$RPC_PORT" --chain-id 31337 --accounts 30 --mnemonic "$MNEMONIC"
    --hardfork cancun --order fifo --state "$folder/state.json" --state-interval 10 --silent)
  if [ "${BLOCK_TIME:-0}" != 0 ]; then options+=(--block-time "$BLOCK_TIME"); fi
  local program
  program="$(foundry anvil)"
  hold_signals
  # However this script ends, anvil writes its state and ends with it.
  setpriv --pdeathsig INT "$program" "${options[@]}" >"$log" 2>&1 </dev/null &
  anvil=$!
  release_signals
  for _ in $(seq 300); do
    is_alive "$anvil" || break
    [ "$(rpc chain-id)" = 31337 ] && return
    sleep 0.1
  done
  stop_anvil
  tail -n 5 "$log" >&2
  fail "anvil does not start; see $log"
}

rpc() { "$(foundry cast)" "$@" --rpc-url "$RPC_URL" 2>/dev/null || true; }

# Whether this chain has the contracts that an earlier run put on it.
has_contracts() {
  local hub
  [ -f "$known" ] || return 1
  hub="$(sed -nE 's/^hub = "(0x[0-9a-fA-F]{40})"$/\1/p' "$known")"
  [ -n "$hub" ] && [[ "$(rpc code "$hub")" == 0x?* ]]
}

deploy_contracts() {
  say "deploying the contracts"
  make_key hub-owner 0
  rm -f "$known"
  hold_signals
  become_poco hub-owner --rpc-url "$RPC_URL" admin deploy --write "$known.new" >"$folder/deploy.log" 2>&1 9>&- &
  deployer=$!
  release_signals
  # In the background, because a signal interrupts `wait` and nothing else.
  if ! wait "$deployer"; then
    deployer=""
    stop_anvil
    tail -n 5 "$folder/deploy.log" >&2
    fail "the contracts cannot be deployed; see $folder/deploy.log"
  fi
  deployer=""
  mv "$known.new" "$known"
}

# The contracts of a new chain have the addresses of the old one's, so nothing but this tells that what
# was kept about the old chain is void.
forget_old_chain() {
  local old
  clear_runs
  for old in "$POCO_DATA"/{state,market,scheduler,worker-*}; do
    [ -d "$old" ] || continue
    say "the chain is new: removing $old, which belongs to an older one"
    rm -rf "$old"
  done
}

# Readers see the whole file or the one before. $ADDRESSES is for everybody, and of the devnet that wrote
# it last; the other is of this folder's.
write_addresses() {
  local file
  for file in "$POCO_DATA/addresses.toml" "$ADDRESSES"; do
    sed -E "s|^rpc_url = .*|rpc_url = \"$RPC_URL/\"|" "$known" >"$file.$$"
    mv "$file.$$" "$file"
  done
}

lock
on_signal stopped
trap stop_anvil EXIT
start_anvil
if ! has_contracts; then
  forget_old_chain
  deploy_contracts
fi
write_addresses
say "chain 31337 at $RPC_URL, a block $([ "${BLOCK_TIME:-0}" = 0 ] && echo "for each transaction" || echo "every $BLOCK_TIME s")"
say "addresses in $ADDRESSES, log in $log; Ctrl-C stops it"
wait "$anvil" || true
anvil=""
tail -n 5 "$log" >&2
fail "anvil has ended; see $log"
