#!/usr/bin/env bash
# A whole market on this machine and three real runs, from order to checked result. Leaves nothing
# running, unless KEEP=1; can be run again and again.
set -euo pipefail
cd "$(dirname "$0")/.."
export POCO_DATA="${POCO_DATA:-demo-data}"
. deploy/settings.sh
. deploy/processes.sh
check_settings
open_data_folder
export IN_DEMO=1 POCO_DATA POCO_ADDRESSES="$POCO_DATA/addresses.toml"

results="$POCO_DATA/results/$(date -u +%Y-%m-%dT%H-%M-%S)"
# Tasks of the three runs; an offer with less left is renewed.
tasks_needed=12

end() {
  local status=$?
  trap '' INT TERM HUP
  if [ "${KEEP:-}" = 1 ] && [ $status = 0 ]; then
    say_how_to_go_on
  else
    deploy/down.sh
    clear_runs
    forget_images
  fi
}

title() { printf '\n== %s\n' "$*"; }

# field NAME: the first field of that name in JSON on the standard input, as poco prints it.
field() { sed -nE "s/^ *\"$1\": \"?([^\",]*)\"?,?\$/\1/p" | sed -n 1p; }

# in_list APP KEY: a value of the list of images.
in_list() { sed -nE "/^\[$1\]\$/,/^\$/ s/^$2 = \"(.*)\"\$/\1/p" "$POCO_DATA/images.toml"; }

# offer KIND ADDRESS ROLE OPTIONS…: publishes an order, unless the cheapest one will do.
offer() {
  local kind="$1" address="$2" role="$3" left query=("$2")
  shift 3
  [ "$kind" != workerpool ] || query=(--workerpool "$address")
  left="$(poco_as "$role" --json orderbook "$kind" "${query[@]}" | field remaining)"
  [ "${left:-0}" -lt $tasks_needed ] || return 0
  poco_as "$role" --json order sign "$kind" "$address" --volume 1000 "$@" --publish >/dev/null
  say "offered: $kind $address"
}

# app NAME: its address; registers it if it is new.
app() {
  poco_as app-provider --json app deploy --name "$1" --image "$(in_list "$1" image)" \
    --checksum "$(in_list "$1" checksum)" | field address
}

serve_files() {
  mkdir -p "$POCO_DATA/files"
  cp ARCHITECTURE.md "$POCO_DATA/files/"
  is_due files || return 0
  start files node "$PWD/deploy/file-server.mjs" "$FILES_PORT" "$POCO_DATA/files"
  await files 10 answers "$FILES_PORT" /ARCHITECTURE.md || exit 1
}

publish() {
  local name
  text="$(app text-stats)"
  prices="$(app monte-carlo)"
  drawing="$(app draw)"
  dataset="$(poco_as dataset-provider --json dataset deploy --name "a text" \
    --url "http://127.0.0.1:$FILES_PORT/ARCHITECTURE.md" \
    --checksum "0x$(sha256sum "$POCO_DATA/files/ARCHITECTURE.md" | cut -d ' ' -f 1)" | field address)"
  for name in "$text" "$prices" "$drawing"; do offer app "$name" app-provider --price 0.01RLC; done
  offer dataset "$dataset" dataset-provider --price 0.01RLC
  offer workerpool "$(<"$POCO_DATA/pool")" pool --price 1RLC --category 0 --trust 10
}

# run NAME ARGUMENTS…: buys, follows, fetches and checks; then shows who contributed.
run() {
  local name="$1" deal task answer
  shift
  mkdir -p "$results"
  answer="$results/$name.txt"
  poco_as requester run "$@" --output "$results/$name" | tee "$answer"
  deal="$(sed -nE 's/^deal +(0x[0-9a-f]{64}).*/\1/p' "$answer" | sed -n 1p)"
  printf '\ncontributions:\n'
  for task in $(poco_as requester --json deal show "$deal" | sed -nE 's/^ *"task": "(0x[0-9a-f]+)".*/\1/p'); do
    printf '%s\n' "$task"
    poco_as requester task show "$task" | grep -iE '^ *0x[0-9a-f]{40} +(contributed|revealed|rejected)' || true
  done
}

# wealth ROLE: what a party has in the escrow, free and locked, in nRLC.
wealth() {
  local account
  account="$(poco_as "$1" --json account show)"
  echo $(($(field free <<<"$account") + $(field locked <<<"$account")))
}

parties() {
  local number
  printf '%s\n' requester pool app-provider dataset-provider
  for number in $(seq "$WORKERS"); do echo "worker-$number"; done
}

show_earnings() {
  local role change sign
  title "Who paid and who earned"
  for role in $(parties); do
    change=$(($(wealth "$role") - ${before[$role]}))
    sign=+
    if [ $change -lt 0 ]; then sign=-; change=$((-change)); fi
    printf '%-17s %s%d.%09d RLC\n' "$role" "$sign" $((change / 1000000000)) $((change % 1000000000))
  done
}

for name in files $(programs); do is_due "$name" || true; done
trap end EXIT
on_signal 'exit 130'
deploy/up.sh
serve_files
publish
declare -A before
for role in $(parties); do before[$role]="$(wealth "$role")"; done

title "Statistics of a text, at trust 5: several workers must agree"
run text "$text" --dataset "$dataset" --trust 5
find "$results/text" -name report.txt -exec head -n 12 {} +
title "The price of an option, as a bag of 10 tasks"
run prices "$prices" --volume 10 --args="--paths 1000000"
"${CARGO_TARGET_DIR:-target}/apps/x86_64-unknown-linux-gnu/release/monte-carlo" --merge "$results/prices"
title "A drawing"
run drawing "$drawing" --args="--width 800 --height 500"
show_earnings
printf '\nEach digest above was checked against the chain. Results: %s\n' "$results"
