# shellcheck shell=bash
# Programs in the background: start, watch, end. Each has a pid file under $POCO_DATA/run with its pid,
# the moment it started, so that a pid that was given to another program is never touched, and its port.
# And what workers leave in the docker engine when they stop.

# read_moment PID: sets $moment to when the process started, in ticks since boot; to nothing if there is
# no such process. In this shell, because a signal may end a subshell alone and leave half an answer.
read_moment() {
  local stat="" fields
  moment=""
  { read -r -d '' stat <"/proc/$1/stat"; } 2>/dev/null || [ -n "$stat" ] || return 0
  # The name, in parentheses, may hold blanks: count behind it.
  read -ra fields <<<"${stat##*) }"
  [ "${fields[0]}" = Z ] || moment="${fields[19]}"
}

# is_alive PID: whether there is such a process.
is_alive() {
  local moment
  read_moment "$1"
  [ -n "$moment" ]
}

# running NAME: whether it runs; sets $pid and $port.
running() {
  local started moment
  read -r pid started port 2>/dev/null <"$POCO_DATA/run/$1.pid" || return 1
  read_moment "$pid"
  [ -n "$started" ] && [ "$moment" = "$started" ]
}

# on_signal COMMAND: what to do when asked to end.
on_signal() {
  at_signal="$1"
  signalled=false
  holding=false
  trap 'signalled=true; $holding || $at_signal' INT TERM HUP
}

# hold_signals: until release_signals, which honours what came meanwhile. For steps of which one without
# the other would leave a program that nobody knows. The trap stays as it is: a signal that comes while a
# trap is changed may be lost.
hold_signals() { holding=true; }

release_signals() {
  holding=false
  ! $signalled || $at_signal
}

# start NAME COMMAND…: in the background, out of reach of the terminal's Ctrl-C.
start() {
  local name="$1" moment setting wanted
  shift
  read_port "$name"
  mkdir -p "$POCO_DATA/run" "$POCO_DATA/logs"
  hold_signals
  setsid "$@" >"$POCO_DATA/logs/$name.log" 2>&1 </dev/null &
  read_moment $!
  echo "$! $moment $wanted" >"$POCO_DATA/run/$name.pid"
  release_signals
}

# stop NAME: asks it to end, after 10 s to end at once, and ends it if it does not within 20 s.
stop() {
  local pid port tenth
  if running "$1"; then
    kill -TERM "$pid" 2>/dev/null || true
    for tenth in $(seq 200); do
      running "$1" || break
      [ "$tenth" != 100 ] || kill -TERM "$pid" 2>/dev/null || true
      sleep 0.1
    done
    if running "$1"; then
      say "$1 (pid $pid) does not end by itself: ending it"
      kill -KILL "$pid" 2>/dev/null || true
    fi
  fi
  rm -f "$POCO_DATA/run/$1.pid"
}

# is_taken PORT: whether anything listens there on this machine.
is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# is_due NAME: whether it is still to be started. Fails if it runs on another port than is set, or if
# something else has its port.
is_due() {
  local pid port wanted setting
  read_port "$1"
  if running "$1"; then
    [ "$port" = "$wanted" ] \
      || fail "$1 runs on port $port, not $wanted: leave $setting as it was, or stop it with: $(stop_command)"
    return 1
  fi
  if is_taken "$wanted"; then
    fail "port $wanted, for $1, is taken: stop what uses it, or choose another with $setting=…"
  fi
}

# answers PORT PATH: whether a GET is answered with 200.
answers() {
  # shellcheck disable=SC2016 # the inner shell expands it
  timeout 2 bash -c '
    exec 3<>"/dev/tcp/127.0.0.1/$0" || exit 1
    printf "GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n" "$1" >&3
    read -r _ status _ <&3 && [ "$status" = 200 ]' "$1" "$2" 2>/dev/null
}

# await NAME SECONDS COMMAND…: until the command succeeds. Fails if the time is over or the program
# has ended, with the end of its log.
await() {
  local name="$1" deadline=$((SECONDS + $2)) reason="does not answer"
  shift 2
  while [ $SECONDS -lt $deadline ]; do
    "$@" && return
    running "$name" || { reason="has ended"; break; }
    sleep 0.2
  done
  {
    say "$name $reason; the end of $POCO_DATA/logs/$name.log:"
    tail -n 12 "$POCO_DATA/logs/$name.log" | sed 's/^/  | /'
  } >&2
  return 1
}

# check_chain_is_free: fails if a devnet runs in this data folder, and says which.
check_chain_is_free() {
  local lock="$POCO_DATA/chain/lock"
  # One that was killed takes a moment to end.
  [ ! -f "$lock" ] || flock --wait 2 "$lock" true \
    || fail "another devnet (pid $(<"$lock")) uses $POCO_DATA: stop it, or choose another folder with POCO_DATA=…"
}

# clear_runs: removes the containers of workers that have stopped, and unmounts their disks. A worker
# that stops leaves them to itself for when it starts again; this is for when it will not soon. Should it
# start after all, it runs unfinished tasks anew; the results it has voted for stay in their folders.
clear_runs() {
  local run task containers
  for run in "$POCO_DATA"/worker-*/runs/*-*; do
    [ -d "$run" ] || continue
    task="$(basename "${run%-*}")"
    containers="$(docker ps --all --quiet --filter "label=poco.task=0x$task")" \
      || fail "the docker engine does not answer; it may still run containers of $run"
    if [ -n "$containers" ]; then
      # shellcheck disable=SC2086 # one word each
      docker rm --force --volumes $containers >/dev/null || fail "cannot remove the containers of $run"
    fi
    while mountpoint --quiet "$run/out"; do
      umount "$run/out" || fail "cannot unmount $run/out"
    done
    rm -rf "$run/out" "$run/out.disk"
  done
}

# forget_images: takes the names of the images in our registry from the engine, unless a container was
# made by that name: its image would be left without one. Whoever needs an image again pulls it.
forget_images() {
  local image name names='{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}' used
  [ -f "$POCO_DATA/images.toml" ] || return 0
  used="$(docker ps --all --format '{{.Image}}' 2>/dev/null)" || return 0
  sed -nE 's/^image = "(.*)"$/\1/p' "$POCO_DATA/images.toml" | while read -r image; do
    ! grep -qxF "$image" <<<"$used" || continue
    for name in $(docker image ls --digests --format "$names" "$image" 2>/dev/null); do
      docker image rm "$name" >/dev/null 2>&1 || true
    done
  done
}
