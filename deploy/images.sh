#!/usr/bin/env bash
# The example apps as images in a registry of this machine: built, packed, pushed, and listed with their
# digests in $POCO_DATA/images.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/settings.sh
. deploy/processes.sh
check_settings
open_data_folder

apps=(text-stats draw monte-carlo price-feed misbehave)
target=x86_64-unknown-linux-gnu
registry="127.0.0.1:$REGISTRY_PORT"
list="$POCO_DATA/images.toml"
work="$(mktemp -d)"
trap end EXIT
on_signal 'exit 130'

# The registry has the images; workers pull them from there.
end() {
  local app
  rm -rf "$work"
  for app in "${apps[@]}"; do docker image rm "$registry/$app:latest" >/dev/null 2>&1 || true; done
}

# Flags change what is built, so these binaries have a folder of their own.
target_folder="${CARGO_TARGET_DIR:-target}/apps"

# Incremental builds differ from whole ones, and panics name the folder of the crates: without either,
# every checkout on every machine builds the same bytes with the same compiler.
build_apps() {
  say "building the apps"
  local flags="-C target-feature=+crt-static -C strip=symbols"
  flags+=" --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
  RUSTFLAGS="$flags" CARGO_TARGET_DIR="$target_folder" CARGO_INCREMENTAL=0 \
    cargo build --quiet --release --package poco-apps --bins --target "$target"
}

is_registry() { answers "$REGISTRY_PORT" /v2/; }

# A registry that somebody else started may end with them: only one of our own will do.
start_registry() {
  is_due registry || return 0
  local folder="$POCO_DATA/registry" program
  program="$(command -v docker-registry)" || fail "docker-registry is missing: run make setup"
  mkdir -p "$folder"
  cat >"$folder/config.yml" <<CONFIG
version: 0.1
log: { level: warn }
storage: { filesystem: { rootdirectory: "$folder/images" } }
http: { addr: "$registry" }
CONFIG
  say "starting the registry at $registry"
  start registry "$program" serve "$folder/config.yml"
  await registry 20 is_registry || exit 1
}

sha256() { sha256sum "$1" | cut -d ' ' -f 1; }

# pack APP: an image archive with the program alone in it. Written here and not by `docker build`,
# which puts the time of building into the image: the same program is then always the same image.
pack() {
  local app="$1" folder="$work/$1" layer config
  mkdir -p "$folder/root"
  cp "$target_folder/$target/release/$app" "$folder/root/app"
  chmod 755 "$folder/root/app"
  archive "$folder/root" "$folder/layer.tar" app
  layer="$(sha256 "$folder/layer.tar")"
  config="$folder/config.json"
  printf '{"architecture":"amd64","os":"linux","created":"1970-01-01T00:00:00Z",%s,%s,%s}' \
    "\"config\":{\"Entrypoint\":[\"/app\"],\"WorkingDir\":\"/\",\"User\":\"65534:65534\"}" \
    "\"history\":[{\"created\":\"1970-01-01T00:00:00Z\",\"created_by\":\"poco: $app\"}]" \
    "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$layer\"]}" >"$config"
  printf '[{"Config":"config.json","RepoTags":["%s/%s:latest"],"Layers":["layer.tar"]}]' \
    "$registry" "$app" >"$folder/manifest.json"
  archive "$folder" "$work/$app.tar" manifest.json config.json layer.tar
  sha256 "$config"
}

# archive FOLDER FILE NAMES…: a tar that depends on the contents alone.
archive() {
  local folder="$1" file="$2"
  shift 2
  tar --create --format ustar --owner 0 --group 0 --numeric-owner --mtime @0 \
    --directory "$folder" --file "$file" "$@"
}

# digest_in_list APP IMAGE: the manifest's digest, if this image was pushed before and is still there.
digest_in_list() {
  local digest
  digest="$(sed -nE "/^\[$1\]\$/,/^\$/ { /^# $2\$/,/^\$/ s/^checksum = \"0x([0-9a-f]{64})\"\$/\1/p }" \
    "$list" 2>/dev/null)"
  [ -n "$digest" ] && answers "$REGISTRY_PORT" "/v2/$1/manifests/sha256:$digest" && echo "$digest"
}

push() {
  local app="$1"
  docker load --quiet --input "$work/$app.tar" >/dev/null
  docker push "$registry/$app:latest" | sed -nE 's/^latest: digest: sha256:([0-9a-f]{64}) .*/\1/p'
}

build_apps
start_registry
for app in "${apps[@]}"; do
  image="$(pack "$app")"
  if ! digest="$(digest_in_list "$app" "$image")"; then
    say "pushing $registry/$app"
    digest="$(push "$app")"
    [ -n "$digest" ] || fail "the registry took no $app"
  fi
  printf '[%s]\n# %s\nimage = "%s/%s"\nchecksum = "0x%s"\n\n' "$app" "$image" "$registry" "$app" "$digest" \
    >>"$work/images.toml"
done
cp "$work/images.toml" "$list.new"
mv "$list.new" "$list"
say "${#apps[@]} images, listed in $list"
