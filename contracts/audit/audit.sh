#!/usr/bin/env bash
# Proofs and static analysis of the contracts: halmos proves what is in `proofs/`, slither reads the hub, the
# registries and their entries, and fails on a finding that `slither.md` does not answer. Both come from PyPI, exact
# versions (requirements.txt), into a folder outside the checkout. POCO_AUDIT names another one.
#
#   audit.sh          both
#   audit.sh proofs   halmos alone; further arguments are its own
#   audit.sh slither  slither alone
#   audit.sh compile  compiles the proofs and proves nothing, which needs nothing from PyPI
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
contracts=$(dirname "$here")
work=${POCO_AUDIT:-$HOME/.cache/poco/audit}
export PATH="$work/venv/bin:$contracts/node_modules/.bin:$PATH"

# Once for each requirements.txt.
install() {
  local wanted
  wanted=$(sha256sum <"$here/requirements.txt" | cut -d' ' -f1)
  [ -e "$work/venv/$wanted" ] && return
  mkdir -p "$work"
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
  touch "$work/venv/$wanted"
}

# A project of sources and proofs. Copies, for forge follows links out of the project and then finds nothing.
assemble() {
  project=$work/proofs
  mkdir -p "$project"
  rm -rf "$project/src" "$project/proofs"
  cp -r "$contracts/src" "$here/proofs" "$project/"
  cp "$here/foundry.toml" "$contracts/solc-wrapper" "$project/"
  ln -sfn "$contracts/node_modules" "$project/node_modules"
}

prove() {
  assemble
  # Loops of the proofs go over the 32 sizes of a field; any failure, or a path that was not followed to its end,
  # fails the run.
  (cd "$project" && halmos --no-status --loop 130 --solver-command "python $here/solve.py" \
    --solver-timeout-assertion 600s --default-bytes-lengths 6 "$@")
}

analyse() {
  node "$here/slither.mjs"
}

compile() {
  assemble
  (cd "$project" && forge build --silent)
}

case ${1:-all} in
  proofs) shift; install; prove "$@" ;;
  slither) install; analyse ;;
  compile) compile ;;
  all) install; prove; analyse ;;
  *) echo "audit.sh: proofs, slither, compile, or nothing for the first two" >&2; exit 2 ;;
esac
