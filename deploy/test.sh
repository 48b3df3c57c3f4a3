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
    && npm run --silent check-interface && npm run --silent check-reference \
    && npm run --silent check-gas-table
}

# targets WHICH: `--test NAME` for the test programs of the integration tests, or of all others. Parts
# are chosen by program and never by package: with other packages cargo chooses other features, and
# compiles most dependencies again.
targets() {
  # shellcheck disable=SC2016 # JavaScript expands it
  cargo metadata --no-deps --format-version 1 | node -e '
    const { packages } = JSON.parse(require("fs").readFileSync(0));
    const names = (chosen) => new Set(
      chosen.flatMap(({ targets }) => targets.filter(({ kind }) => kind[0] === "test"))
        .map(({ name }) => name));
    const isIntegration = ({ name }) => name === "poco-integration-tests";
    const integration = names(packages.filter(isIntegration));
    const others = names(packages.filter((one) => !isIntegration(one)));
    const twice = [...integration].filter((name) => others.has(name));
    if (twice.length > 0) throw new Error(`test programs of the same name: ${twice}`);
    // A part of its own, which tells what it has reached.
    if (!others.delete("three_ways")) throw new Error("no test program three_ways");
    const chosen = process.argv[1] === "integration" ? integration : others;
    console.log([...chosen].map((name) => `--test ${name}`).join(" "));' "$1"
}

tests() { cargo test --workspace --all-features --no-fail-fast "$@"; }

part format cargo fmt --all --check
part lints cargo clippy --workspace --all-targets --all-features -- -D warnings
part licences deploy/deny.sh
part contracts contracts
part build tests --no-run
part binaries cargo build --workspace --bins
part unit tests --lib --bins
part documents tests --doc
others=$(targets others)
integration=$(targets integration)
# shellcheck disable=SC2086 # one word each
part crates tests $others
part three-ways tests --test three_ways -- --nocapture
grep '^three ways: ' "$logs/three-ways"
# shellcheck disable=SC2086 # one word each
part integration tests $integration -- --test-threads 2

if [ ${#failed_parts[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed_parts[*]}"
fi
printf '%d passed, %d failed\n' "$passed" "$failed"
[ ${#failed_parts[@]} -eq 0 ]
