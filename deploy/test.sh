#!/usr/bin/env bash
# Every test, part by part, with the time each took. Stops at nothing, fails if anything failed. Once everything is
# built, parts that wait for blocks and containers run beside those that compute.
set -uom pipefail
cd "$(dirname "$0")/.." || exit 1
logs="$(mktemp -d)"
trap 'rm -rf "$logs"' EXIT
trap 'interrupted' INT TERM
failed_parts=()
declare -A started=()
passed=0
failed=0

# start NAME COMMAND…: runs it in the background, in a process group of its own.
start() {
  local name="$1"
  shift
  (
    "$@" >"$logs/$name" 2>&1 </dev/null
    printf '%d %d\n' $? "$SECONDS" >"$logs/$name.end"
  ) &
  started[$name]=$!
  printf '%d\n' "$SECONDS" >"$logs/$name.start"
}

# finish NAME: waits for it, shows its output if it failed, counts its tests.
finish() {
  local name="$1" begun status=1 ended=0
  wait "${started[$name]}"
  unset "started[$name]"
  read -r begun <"$logs/$name.start"
  read -r status ended <"$logs/$name.end"
  count "$logs/$name"
  if [ "$status" -ne 0 ]; then
    cat "$logs/$name"
    failed_parts+=("$name")
  fi
  printf '%-14s %-6s %4d s\n' "$name" "$([ "$status" -eq 0 ] && echo ok || echo FAILED)" $((ended - begun))
}

part() {
  start "$@"
  finish "$1"
}

interrupted() {
  trap '' INT TERM
  for group in "${started[@]}"; do kill -INT -- "-$group" 2>/dev/null; done
  wait
  exit 130
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
    && npm run --silent check-interface && npm run --silent check-reference \
    && npm run --silent check-gas-table && npm run --silent check-faults \
    && npm run --silent check-proofs
}

# targets: `--test NAME` for the test programs that have no part of their own. Parts are chosen by program
# and never by package: with other packages cargo chooses other features, and compiles most dependencies again.
OWN_PARTS='["arrows", "bad_input", "markets", "three_ways", "worlds"]'
targets() {
  # shellcheck disable=SC2016 # JavaScript expands it
  cargo metadata --no-deps --format-version 1 | node -e '
    const { packages } = JSON.parse(require("fs").readFileSync(0));
    const own = JSON.parse(process.argv[1]);
    const names = packages.flatMap(({ targets }) => targets.filter(({ kind }) => kind[0] === "test"))
      .map(({ name }) => name);
    for (const part of own) {
      const count = names.filter((name) => name === part).length;
      if (count !== 1) throw new Error(`${count} test programs ${part}`);
    }
    const others = new Set(names.filter((name) => !own.includes(name)));
    console.log([...others].map((name) => `--test ${name}`).join(" "));' "$OWN_PARTS"
}

tests() { cargo test --workspace --all-features --no-fail-fast "$@"; }

part format cargo fmt --all --check
part lints cargo clippy --workspace --all-targets --all-features -- -D warnings
part licences deploy/deny.sh
part build tests --no-run
part binaries cargo build --workspace --bins
others=$(targets) || exit 1

start contracts contracts
start markets tests --test markets -- --test-threads 3
part unit tests --lib --bins
part documents tests --doc
# shellcheck disable=SC2086 # one word each
part crates tests $others
part arrows tests --test arrows
finish contracts
start bad-input tests --test bad_input -- --test-threads 1
part three-ways tests --test three_ways -- --nocapture
grep '^three ways: ' "$logs/three-ways"
finish bad-input
finish markets
# On all processors, so with nothing beside it.
part worlds tests --test worlds

if [ ${#failed_parts[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed_parts[*]}"
fi
printf '%d passed, %d failed\n' "$passed" "$failed"
[ ${#failed_parts[@]} -eq 0 ]
