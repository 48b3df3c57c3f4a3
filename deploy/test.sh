#!/usr/bin/env bash
# Every test, part by part, with the time each took. Stops at nothing, fails if anything failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
logs="$(mktemp -d)"
trap 'rm -rf "$logs"' EXIT
failed_parts=()
passed=0
failed=0

# part NAME COMMAND…: runs it, shows its output when it fails, counts its tests.
part() {
  local name="$1" log="$logs/$1" start=$SECONDS status
  shift
  if "$@" >"$log" 2>&1 </dev/null; then status=ok; else status=FAILED; fi
  count "$log"
  if [ "$status" = FAILED ]; then
    cat "$log"
    failed_parts+=("$name")
  fi
  printf '%-14s %-6s %4d s\n' "$name" "$status" $((SECONDS - start))
}

# Adds up the closing lines of cargo test and forge.
count() {
  local line
  while read -r line; do
    passed=$((passed + $(grep -oE '[0-9]+ passed' <<<"$line" | head -n 1 | grep -oE '[0-9]+')))
    failed=$((failed + $(grep -oE '[0-9]+ failed' <<<"$line" | head -n 1 | grep -oE '[0-9]+')))
  done < <(grep -E '^test result: .* [0-9]+ passed; [0-9]+ failed|^Suite result: .* [0-9]+ passed; [0-9]+ failed' "$1")
}

contracts() {
  cd contracts && npm test --silent && npm run --silent check-artifacts \
    && npm run --silent check-interface && npm run --silent check-reference
}

pure=(-p poco-core -p poco-scheduler-core -p poco-worker-core -p poco-chain-core)

part format cargo fmt --all --check
part lints cargo clippy --workspace --all-targets --all-features -- -D warnings
part licences deploy/deny.sh
part pure cargo test --all-features "${pure[@]}"
part contracts contracts
part binaries cargo build --workspace --bins
part crates cargo test -p poco-proto -p poco-result -p poco-sandbox -p poco-chain -p poco-apps \
  -p poco-scheduler -p poco-worker -p poco-market -p poco
part integration cargo test -p poco-integration-tests -- --test-threads 2

if [ ${#failed_parts[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed_parts[*]}"
fi
printf '%d passed, %d failed\n' "$passed" "$failed"
[ ${#failed_parts[@]} -eq 0 ]
