#!/usr/bin/env bash
# A whole market in the background: chain, registry with the example apps, market, scheduler, workers.
# What runs already is left running. deploy/settings.sh says what can be set; down.sh stops it all.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/settings.sh
. deploy/processes.sh
check_settings
open_data_folder

started=()
is_up=false

stop_started() {
  trap '' INT TERM HUP
  $is_up && return
  local i
  [ ${#started[@]} -eq 0 ] || say "stopping what was started; logs stay in $POCO_DATA/logs" >&2
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do stop "${started[$i]}"; done
}

# begin NAME COMMAND…: starts a program unless it runs.
begin() {
  local name="$1"
  is_due "$name" || return 0
  started+=("$name")
  start "$@"
}

# field NAME: a field of the JSON object on the standard input, as poco prints it.
field() { sed -nE "s/^ *\"$1\": \"?([^\",]*)\"?,?\$/\1/p" | head -n 1; }

devnet_is_ready() { grep -q '^devnet: addresses in' "$POCO_DATA/logs/devnet.log"; }

start_chain() {
  begin devnet deploy/devnet.sh
  # Deploying takes some twenty blocks; twice that, and a minute for all else.
  await devnet $((60 + 40 * ${BLOCK_TIME:-0})) devnet_is_ready || exit 1
  export POCO_ADDRESSES="$POCO_DATA/addresses.toml"
}

start_images() {
  running registry || started+=(registry)
  deploy/images.sh
}

# worker_account NUMBER: accounts 2 to 5 for the first four, then those behind the other parties'.
worker_account() { [ "$1" -le 4 ] && echo $(($1 + 1)) || echo $(($1 + 4)); }

make_keys() {
  local number
  make_key hub-owner 0
  make_key pool 1
  make_key requester 6
  make_key app-provider 7
  make_key dataset-provider 8
  for number in $(seq "$WORKERS"); do make_key "worker-$number" "$(worker_account "$number")"; done
}

# fund ROLE TOKENS DEPOSIT: tokens for a party that never had any, and its part of them into the escrow.
fund() {
  local account
  account="$(poco_as "$1" --json account show)"
  has_none() { [ "$(field "$1" <<<"$account")" = 0 ]; }
  has_none free && has_none locked || return 0
  if has_none tokens; then
    poco_as hub-owner --json account send "$(address_of "$1")" "$2RLC" >>"$POCO_DATA/logs/funding.log"
  fi
  if [ "$3" != 0 ]; then
    poco_as "$1" --json account deposit "$3RLC" >>"$POCO_DATA/logs/funding.log"
  fi
}

fund_parties() {
  local number
  say "funding the parties"
  fund pool 10000 5000
  fund requester 10000 5000
  # Workers deposit by themselves.
  for number in $(seq "$WORKERS"); do fund "worker-$number" 1000 0; done
}

start_market() {
  begin market "$(built poco-market)" --listen "127.0.0.1:$MARKET_PORT" \
    --data-dir "$POCO_DATA/market"
  await market 30 answers "$MARKET_PORT" /version || exit 1
}

start_scheduler() {
  local pool
  pool="$(poco_as pool --json workerpool deploy --description "pool of this machine" | field address)"
  echo "$pool" >"$POCO_DATA/pool"
  begin scheduler "$(built poco-scheduler)" --listen "127.0.0.1:$POOL_PORT" \
    --public-url "$POOL_URL" --market-url "$MARKET_URL" --data-dir "$POCO_DATA/scheduler" --lock-dir "$POCO_DATA/locks" \
    --workerpool "$pool" --keystore "$POCO_DATA/keys/pool/key.json" --password-file "$password_file"
  await scheduler 30 answers "$POOL_PORT" /healthz || exit 1
}

# Each worker answers on the port behind the pool's that its number says.
start_workers() {
  local number name pool
  pool="$(<"$POCO_DATA/pool")"
  for number in $(seq "$WORKERS"); do
    name="worker-$number"
    begin "$name" "$(built poco-worker)" run --scheduler-url "$POOL_URL" \
      --workerpool "$pool" --slots 1 --auto-deposit 100000000000 --allow-private-inputs \
      --http-listen "127.0.0.1:$((POOL_PORT + number))" --data-dir "$POCO_DATA/$name" \
      --keystore "$POCO_DATA/keys/$name/key.json" --password-file "$password_file"
  done
  for number in $(seq "$WORKERS"); do
    await "worker-$number" 60 answers $((POOL_PORT + number)) /healthz || exit 1
  done
}

# What a shell needs so that poco is the requester on this market.
write_environment() {
  local programs
  programs="$(cd "$(dirname "$(built poco)")" && pwd)"
  {
    echo "# Sourced by bash: poco is then the requester on the market of this folder."
    echo "export PATH=$(printf %q "$programs"):\$PATH"
    printf 'export %s=%q\n' POCO_ADDRESSES "$POCO_DATA/addresses.toml" POCO_MARKET_URL "$MARKET_URL" \
      POCO_KEYSTORE_DIR "$POCO_DATA/keys/requester" POCO_KEYSTORE_PASSWORD_FILE "$password_file" \
      POCO_STATE_DIR "$POCO_DATA/state/requester"
  } >"$POCO_DATA/env.sh.new"
  mv "$POCO_DATA/env.sh.new" "$POCO_DATA/env.sh"
}

running devnet || check_chain_is_free
for name in $(programs); do is_due "$name" || true; done
trap stop_started EXIT
on_signal 'exit 130'
start_chain
start_images
make_keys
fund_parties
start_market
start_scheduler
start_workers
write_environment
is_up=true
say "chain $RPC_URL, market $MARKET_URL, pool $POOL_URL ($(<"$POCO_DATA/pool")), $WORKERS workers"
say "addresses in $POCO_DATA/addresses.toml, logs in $POCO_DATA/logs"
# The demo says it itself, if it keeps the market.
[ -n "${IN_DEMO:-}" ] || say_how_to_go_on
