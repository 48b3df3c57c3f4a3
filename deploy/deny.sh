#!/usr/bin/env bash
# Licences, bans and sources of every dependency, and known advisories when the network is there.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v cargo-deny >/dev/null; then
  echo "deny: SKIPPED, cargo-deny is not installed (cargo install cargo-deny)"
  exit 0
fi
cargo deny --all-features check licenses bans sources
if ! cargo deny --all-features check advisories; then
  echo "deny: advisories were not checked, or there are some; see above"
  [ "${POCO_ADVISORIES:-}" != required ]
fi
