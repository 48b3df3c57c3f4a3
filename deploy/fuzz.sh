#!/usr/bin/env bash
# fuzz.sh SECONDS: every fuzz target for that long, from its seeds and from what earlier runs found (fuzz/corpus). An
# input that breaks one is left in fuzz/artifacts; made small, it becomes a seed beside the fix.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
seconds="${1:-60}"
if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "fuzz: cargo-fuzz is not installed: cargo install cargo-fuzz" >&2
  exit 1
fi
# The versions that the workspace is tested with.
[ -f Cargo.lock ] || cp ../Cargo.lock Cargo.lock
# Nothing of ours is unsafe, so there is nothing for a sanitizer to find but panics, which need none.
fuzz=(cargo +nightly fuzz)
options=(--fuzz-dir . --sanitizer none)
engine=("-max_total_time=$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1)
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
failed=()
for target in targets/*.rs; do
  name="$(basename "$target" .rs)"
  mkdir -p "corpus/$name"
  echo "fuzz: $name, $seconds s"
  if ! "${fuzz[@]}" run "${options[@]}" "$name" "corpus/$name" "seeds/$name" -- "${engine[@]}" >"$log" 2>&1; then
    failed+=("$name")
    tail -n 40 "$log"
  fi
  grep -E 'stat::number_of_executed_units|stat::peak_rss_mb' "$log" || true
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "fuzz: broken: ${failed[*]}; see fuzz/artifacts" >&2
  exit 1
fi
