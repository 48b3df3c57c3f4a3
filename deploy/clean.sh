#!/usr/bin/env bash
# Stops the market and removes what it kept under POCO_DATA; without POCO_DATA, both that of `make up` and
# that of `make demo`. Removes by name, so that a POCO_DATA set by mistake costs nobody anything else.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${POCO_DATA:-}" ]; then
  for folder in up-data demo-data; do POCO_DATA="$folder" deploy/clean.sh; done
  exit
fi
. deploy/settings.sh
. deploy/processes.sh
deploy/down.sh
check_chain_is_free
clear_runs
forget_images
if cmp --silent "$ADDRESSES" "$POCO_DATA/addresses.toml"; then rm -f "$ADDRESSES"; fi
# Chain and keys last: if anything before them fails, the market is still whole.
rm -rf "${POCO_DATA:?}"/worker-*
for name in env.sh files images.toml logs market pool registry results run scheduler state \
  addresses.toml chain keys; do
  rm -rf "${POCO_DATA:?}/$name"
done
rmdir "$POCO_DATA" 2>/dev/null || true
say "removed what was in $POCO_DATA"
