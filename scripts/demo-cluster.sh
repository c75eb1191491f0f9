#!/bin/sh
# Runs three nodes on this machine: they converge, are partitioned, diverge, and converge again.
# Removes everything that it created.
#
#   scripts/demo-cluster.sh [PROGRAM]
#
# PROGRAM is atomik-node (default target/release/atomik-node). ENGINE=nats uses nats-server instead
# of zenoh.
set -eu

program=${1:-target/release/atomik-node}
engine=${ENGINE:-zenoh}
[ -x "$program" ] || {
    echo "$program does not exist: build it with \`make node\`." >&2
    exit 3
}
program=$(CDPATH='' cd -- "$(dirname -- "$program")" && pwd)/$(basename -- "$program")

folder=$(mktemp -d)
running=
clean_up() {
    # This script started each of these processes.
    for process in $running; do
        kill "$process" 2>/dev/null || true
    done
    wait
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
cd "$folder"

say() { printf '\n== %s\n' "$*"; }
now() { date +%s%N; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.2f s", (to - from) / 1e9 }'; }
ask() { # NODE WORDS...: sends a command to a node
    _node=$1
    shift
    "$program" "$@" --data "$folder/$_node"
}
field() { # NODE NAME: prints a field of the node's status
    ask "$1" status --hash | awk -v name="$2" '$1 == name && NF == 2 { print $2 }'
}

# --- keys, a secret, and a config file for each node

for node in one two three; do
    key=$("$program" keygen -o "$node/node.key")
    printf '[[member]]\nname = "%s"\nkey = "%s"\n' "$node" "$key" >> members.toml
done
"$program" secret -o one/keyspace.secret
cp one/keyspace.secret two/
cp one/keyspace.secret three/
port=$((20000 + $$ % 20000))
options() { # NODE
    printf 'keyspace = "demo"\ndata = "%s"\nengine = "%s"\nsync_interval_ms = 500\n' "$1" "$engine"
    if [ "$engine" = nats ]; then
        printf 'connect = ["nats://127.0.0.1:%s"]\n' "$port"
    elif [ "$1" = one ]; then
        printf 'listen = ["tcp/127.0.0.1:%s"]\n' "$port"
    else
        printf 'listen = ["tcp/127.0.0.1:0"]\nconnect = ["tcp/127.0.0.1:%s"]\n' "$port"
    fi
    cat members.toml
    [ "$engine" = nats ] || printf '[zenoh]\nmulticast_scouting = false\n'
}
start() { # NODE: sets `started` to its process id
    options "$1" > "$1.toml"
    "$program" --config "$1.toml" 2>> "$1.log" &
    started=$!
    running="$running $started"
    _tries=0
    until ask "$1" status > /dev/null 2>&1; do
        _tries=$((_tries + 1))
        if [ "$_tries" -gt 200 ] || ! kill -0 "$started" 2>/dev/null; then
            echo "node $1 did not start:" >&2
            cat "$1.log" >&2
            exit 3
        fi
        sleep 0.1
    done
}
until_true() { # WHAT COMMAND...: waits until COMMAND succeeds, at most a minute
    _what=$1
    shift
    _end=$(($(date +%s) + 60))
    until "$@"; do
        [ "$(date +%s)" -lt "$_end" ] || {
            echo "timed out after a minute: $_what" >&2
            cat ./*.log >&2
            exit 1
        }
        sleep 0.05
    done
}
met() {
    for _node in one two three; do
        [ "$(field "$_node" peers)" = 2 ] || return 1
    done
}
same() {
    _first=$(field one states)
    [ "$_first" = "$(field two states)" ] && [ "$_first" = "$(field three states)" ]
}
show() {
    for _node in one two three; do
        printf '  %-5s  shared %s   keys %4s   hash of all states %.16s\n' "$_node" \
            "$(ask "$_node" get shared)" "$(field "$_node" keys)" "$(field "$_node" states)"
    done
}
burst() { # NODE COUNT: makes COUNT changes, each acknowledged when it is on disk
    awk -v node="$1" -v count="$2" 'BEGIN {
        for (i = 1; i <= count; i++)
            printf "{\"op\":\"accum\",\"key\":\"%s-%d\",\"value\":%d}\n", node, i % 300, i
    }' | ask "$1" pipe > /dev/null
}

say "three nodes on loopback, engine $engine"
if [ "$engine" = nats ]; then
    PATH=$PATH:/usr/sbin nats-server -a 127.0.0.1 -p "$port" \
        > /dev/null 2>&1 &
    running="$running $!"
fi
begin=$(now)
start one
start two
two=$started
start three
until_true "every node sees the other two" met
echo "  all three are up and see each other after $(since "$begin")"

say 'each node makes 1000 changes, and toggles one bit of the key "shared"'
begin=$(now)
for node in one two three; do
    burst "$node" 1000
done
echo "  3000 changes acknowledged, durable, in $(since "$begin")"
begin=$(now)
ask one accum shared 0x1 > /dev/null
ask two accum shared 0x10 > /dev/null
ask three accum shared 0x100 > /dev/null
until_true "all states are equal" same
echo "  all states are equal $(since "$begin") after the first toggle was sent"
show

say "node three is partitioned from the others; both sides keep writing"
one_id=$(field one origin) two_id=$(field two origin) three_id=$(field three origin)
ask one links --drop "$three_id"
ask two links --drop "$three_id"
ask three links --drop "$one_id" --drop "$two_id"
burst one 500
burst three 500
ask two accum shared 0x1000 > /dev/null
ask three accum shared 0x3000 > /dev/null
sleep 1
show
if same; then
    echo "the states are equal, but the partition should have made them differ" >&2
    exit 1
fi
echo "  the states differ, and no writer waits: there is no leader"

say "the partition heals"
begin=$(now)
for node in one two three; do
    ask "$node" links
done
until_true "all states are equal" same
echo "  all states are equal after $(since "$begin")"
show
echo "  two and three both toggled bit 0x1000 concurrently, so xor cancelled it; node two reports:"
ask two status | grep overlap | grep event | tail -1 | cut -c 1-260 | sed 's/^event *[0-9.]* /    /'

say "node two is killed with SIGKILL, misses changes, and restarts"
kill -9 "$two"
wait "$two" 2>/dev/null || true
running=$(echo "$running " | sed "s/ $two / /")
burst one 500
begin=$(now)
start two
until_true "all states are equal" same
echo "  it is back with every change it acknowledged; all states are equal after $(since "$begin")"
show
say "done: all three states are equal, bit for bit"
