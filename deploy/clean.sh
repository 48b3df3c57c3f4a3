#!/usr/bin/env bash
# Stops the market and removes what it kept under POCO_DATA. Removes by name, so that a POCO_DATA set by
# mistake costs nobody anything else.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/settings.sh
deploy/down.sh
if [ -f "$POCO_DATA/chain/lock" ] && ! flock -n "$POCO_DATA/chain/lock" true; then
  fail "a devnet still uses $POCO_DATA: stop it first"
fi
for name in addresses.toml chain files images.toml keys logs market pool registry results run scheduler state; do
  rm -rf "${POCO_DATA:?}/$name"
done
rm -rf "$POCO_DATA"/worker-*
rmdir "$POCO_DATA" 2>/dev/null || true
rm -f "$ADDRESSES"
say "removed what was in $POCO_DATA"
