# shellcheck shell=bash disable=SC2034 # sourced: the scripts beside it use what is set here
# What can be set from outside, with its defaults, and where things lie. Sourced from the checkout's top.

POCO_DATA="${POCO_DATA:-up-data}"
ADDRESSES="${ADDRESSES:-deploy/devnet/addresses.toml}"
RPC_PORT="${RPC_PORT:-8545}"
MARKET_PORT="${MARKET_PORT:-3000}"
POOL_PORT="${POOL_PORT:-4000}"
REGISTRY_PORT="${REGISTRY_PORT:-5005}"
FILES_PORT="${FILES_PORT:-5006}" # the dataset of the demo
WORKERS="${WORKERS:-4}" # they listen on the ports behind POOL_PORT
BLOCK_TIME="${BLOCK_TIME:-}" # seconds; empty or 0: a block for each transaction

# Accounts of the mnemonic beyond this one have no coin on the devnet.
workers_max=25
# Deploying the contracts takes some twenty blocks.
block_time_max=600

RPC_URL="http://127.0.0.1:$RPC_PORT"
MARKET_URL="http://127.0.0.1:$MARKET_PORT"
POOL_URL="http://127.0.0.1:$POOL_PORT"
MNEMONIC='test test test test test test test test test test test junk'
password_file="$POCO_DATA/keys/password"

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*"; }

fail() {
  printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
  exit 1
}

# is_number TEXT FROM TO: whether it is a whole number between the two.
is_number() { [[ "$1" =~ ^(0|[1-9][0-9]{0,4})$ ]] && [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; }

# check_settings: a mistake in them is one line here, and not the end of some program's log.
check_settings() {
  local name
  for name in RPC_PORT MARKET_PORT POOL_PORT REGISTRY_PORT FILES_PORT; do
    is_number "${!name}" 1 65535 || fail "$name is a number from 1 to 65535, not '${!name}'"
  done
  is_number "$WORKERS" 1 $workers_max || fail "WORKERS is a number from 1 to $workers_max, not '$WORKERS'"
  [ $((POOL_PORT + WORKERS)) -le 65535 ] || fail "there are no $WORKERS ports for workers behind POOL_PORT=$POOL_PORT"
  is_number "${BLOCK_TIME:-0}" 0 $block_time_max \
    || fail "BLOCK_TIME is a number of seconds from 0 to $block_time_max, not '$BLOCK_TIME'"
  if [ -d "$ADDRESSES" ] || ! mkdir -p "$(dirname "$ADDRESSES")" 2>/dev/null \
    || ! { : >"$ADDRESSES.$$"; } 2>/dev/null; then
    fail "ADDRESSES=$ADDRESSES is no file that can be written"
  fi
  rm -f "$ADDRESSES.$$"
}

# programs: the names of what makes up a market, in the order of their start.
programs() {
  printf '%s\n' devnet registry market scheduler
  seq --format 'worker-%.0f' "$WORKERS"
}

# read_port PROGRAM: sets $setting to the setting that says where it listens, and $wanted to that port.
# Workers listen behind the pool.
read_port() {
  case "$1" in
    devnet) setting=RPC_PORT ;;
    registry) setting=REGISTRY_PORT ;;
    files) setting=FILES_PORT ;;
    market) setting=MARKET_PORT ;;
    scheduler | worker-*) setting=POOL_PORT ;;
  esac
  wanted="${!setting}"
  case "$1" in worker-*) wanted=$((wanted + ${1#worker-})) ;; esac
}

# The data folder by its full path: the docker registry and anvil take it from elsewhere.
open_data_folder() {
  mkdir -p "$POCO_DATA" || fail "cannot make the folder $POCO_DATA"
  POCO_DATA="$(cd "$POCO_DATA" && pwd)"
  password_file="$POCO_DATA/keys/password"
}

# stop_command: what to type in the checkout to stop what runs with this data folder.
stop_command() {
  local folder="${POCO_DATA#"$PWD"/}"
  if [ "$folder" = up-data ]; then echo "make down"; else printf 'make down POCO_DATA=%q\n' "$folder"; fi
}

# say_how_to_go_on: the last lines of what leaves a market running.
say_how_to_go_on() {
  say "stop it with: $(stop_command)"
  say "use it with: source $(printf %q "${POCO_DATA#"$PWD"/}/env.sh")"
}

# foundry PROGRAM: its path. npm's own .bin/PROGRAM is a script around the program, and ending that
# would leave the program running.
foundry() {
  local path
  for path in contracts/node_modules/@foundry-rs/"$1"-*/bin/"$1"; do
    [ -x "$path" ] && printf '%s/%s\n' "$PWD" "$path" && return
  done
  fail "$1 is missing: run make setup"
}

# built PROGRAM: the path of one of our binaries.
built() {
  local path="${POCO_BIN_DIR:-${CARGO_TARGET_DIR:-target}/debug}/$1"
  [ -x "$path" ] || fail "$1 is not built: run make build"
  printf '%s\n' "$path"
}

# make_key ROLE ACCOUNT: a keystore of its own folder for an account of the mnemonic. cast encrypts
# with few rounds: these keys are public, and each command opens one.
make_key() {
  local folder="$POCO_DATA/keys/$1" draft="$POCO_DATA/keys/.$1" address cast
  [ -f "$folder/key.json" ] && return
  mkdir -p "$folder"
  [ -f "$password_file" ] || (umask 077 && echo devnet >"$password_file")
  rm -rf "$draft"
  cast="$(foundry cast)"
  address="$("$cast" wallet address --mnemonic "$MNEMONIC" --mnemonic-index "$2")"
  "$cast" wallet import key --keystore-dir "$draft" --mnemonic "$MNEMONIC" --mnemonic-index "$2" \
    --unsafe-password "$(<"$password_file")" >/dev/null
  # cast leaves the address out; with it, a wallet can be shown without its password.
  (umask 077 && sed "s/^{/{\"address\":\"$(tr 'A-F' 'a-f' <<<"${address#0x}")\",/" "$draft/key" >"$draft/key.json")
  mv "$draft/key.json" "$folder/key.json"
  rm -rf "$draft"
}

# address_of ROLE: the address of a key that make_key made.
address_of() { sed -E 's/.*"address":"([0-9a-f]{40})".*/0x\1/' "$POCO_DATA/keys/$1/key.json"; }

# become_poco ROLE ARGUMENTS…: replaces this process by the command line of one party.
become_poco() {
  local role="$1" program
  shift
  program="$(built poco)"
  export POCO_STATE_DIR="$POCO_DATA/state/$role" POCO_MARKET_URL="$MARKET_URL"
  exec "$program" --keystore-dir "$POCO_DATA/keys/$role" --password-file "$password_file" --yes "$@"
}

# poco_as ROLE ARGUMENTS…: the same in a process of its own.
poco_as() { (become_poco "$@"); }
