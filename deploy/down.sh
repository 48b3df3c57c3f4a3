#!/usr/bin/env bash
# Stops what up.sh started with the same POCO_DATA, and nothing else. What it kept stays.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/settings.sh
. deploy/processes.sh
[ -d "$POCO_DATA/run" ] || { say "nothing runs"; exit 0; }
open_data_folder

# names PATTERN: of the programs with a pid file.
names() { find "$POCO_DATA/run" -name "$1.pid" -exec basename {} .pid \; | sort; }

# Workers first, so that they tell the scheduler that they leave; the chain last. Several end at once.
stopped=()
for group in 'worker-*' scheduler market files registry devnet; do
  for name in $(names "$group"); do
    running "$name" && stopped+=("$name")
    stop "$name" &
  done
  wait
done
forget_images
if [ ${#stopped[@]} -eq 0 ]; then say "nothing runs"; else say "stopped ${stopped[*]}"; fi
