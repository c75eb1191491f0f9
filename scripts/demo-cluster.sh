#!/bin/sh
# Runs a cluster on this machine, on zenoh and then on NATS: nodes are partitioned, killed, join,
# are restored from a backup, get other keys, are removed and retire. Ends with status 0 only if all
# nodes have equal states with every change in them. Removes everything that it created.
#
#   scripts/demo-cluster.sh [PROGRAM]
#
# PROGRAM is atomik-node (default target/release/atomik-node). ENGINE=zenoh or ENGINE=nats runs one
# of the two.
set -eu

program=${1:-target/release/atomik-node}
[ -x "$program" ] || {
    echo "$program does not exist: build it with \`make node\`." >&2
    exit 3
}
# Debian installs nats-server in a folder that is only on root's PATH.
PATH=$PATH:/usr/sbin
if [ -z "${ENGINE:-}" ]; then
    ENGINE=zenoh "$0" "$program"
    if command -v nats-server > /dev/null; then
        ENGINE=nats "$0" "$program"
    else
        printf '\n== no cluster on NATS: nats-server is not installed (Debian: nats-server)\n'
    fi
    exit
fi
engine=$ENGINE
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

admin=$("$program" keygen -o administrator.key)
for node in one two three; do
    key=$("$program" keygen -o "$node/node.key")
    printf '[[member]]\nname = "%s"\nkey = "%s"\n' "$node" "$key" >> members.toml
done
"$program" secret -o one/keyspace.secret
cp one/keyspace.secret two/
cp one/keyspace.secret three/
port=$((20000 + $$ % 20000))
if [ "$engine" = nats ]; then
    endpoint=nats://127.0.0.1:$port
else
    endpoint=tcp/127.0.0.1:$port
fi
options() { # NODE
    printf 'keyspace = "demo"\ndata = "."\nengine = "%s"\nsync_interval_ms = 500\n' "$engine"
    printf 'administrator = "%s"\n' "$admin"
    if [ "$engine" = nats ]; then
        printf 'connect = ["%s"]\n' "$endpoint"
    elif [ "$1" = one ]; then
        printf 'listen = ["%s"]\n' "$endpoint"
    else
        printf 'listen = ["tcp/127.0.0.1:0"]\nconnect = ["%s"]\n' "$endpoint"
    fi
    cat members.toml
}
# Clusters on one machine do not look for each other.
alone() { [ "$engine" = nats ] || printf '[zenoh]\nmulticast_scouting = false\n'; }
for node in one two three; do
    options "$node" > "$node/node.toml"
    alone >> "$node/node.toml"
done

# --- nodes that run, and what they should have

live=
expected=0
start() { # NODE
    "$program" --config "$1/node.toml" 2>> "$1.log" &
    eval "$1_process=$!"
    running="$running $!"
    _tries=0
    until ask "$1" status > /dev/null 2>&1; do
        _tries=$((_tries + 1))
        if [ "$_tries" -gt 200 ] || ! kill -0 "$!" 2>/dev/null; then
            echo "node $1 did not start:" >&2
            cat "$1.log" >&2
            exit 3
        fi
        sleep 0.1
    done
    live="$live $1"
}
end() { # NODE SIGNAL
    eval "_process=\$$1_process"
    kill -s "$2" "$_process"
    wait "$_process" 2>/dev/null || true
    running=$(echo "$running " | sed "s/ $_process / /")
    live=$(echo "$live " | sed "s/ $1 / /; s/ $//")
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
    for _node in $live; do
        [ "$(field "$_node" peers)" = $(($(echo "$live" | wc -w) - 1)) ] || return 1
    done
}
toggle() { # NODE BITS: toggles bits of the key "shared"
    expected=$((expected ^ $2))
    ask "$1" accum shared "$(printf '0x%x' "$2")" > /dev/null
}
next_bit=$((1 << 16))
toggle_all() { # toggles another bit of the key "shared" at each node
    for _node in $live; do
        toggle "$_node" "$next_bit"
        next_bit=$((next_bit << 1))
    done
}
equal() {
    _states=$(for _node in $live; do field "$_node" states; done | sort -u | wc -l)
    [ "$_states" = 1 ]
}
same() { # all states are equal, and have every change of the key "shared"
    equal && [ "$(ask one get shared)" = "$(printf '0x%016x' "$expected")" ]
}
show() {
    for _node in $live; do
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
order() { # WORDS...: a command of the administrator, at node one
    ask one "$@" --sign-with administrator.key
}
list_is() { # NUMBER: all nodes use this list of members
    for _node in $live; do
        ask "$_node" members | grep -q "^list $1$" || return 1
    done
}
in_sync() { # node one agrees with all members
    [ "$(ask one members | grep -c 'in sync$')" = $(($(echo "$live" | wc -w) - 1)) ]
}
told() { # NODE EVENT
    ask "$1" status --json | grep -q "\"event\":\"$2\""
}
vouched() { # NODE: all members vouch that they know no more of it than it does
    ask "$1" status --json | grep -q '"vouched_for":true'
}
event() { # NODE TEXT: prints the last event with this text
    ask "$1" status | grep "^event" | grep "$2" | tail -1 | cut -c 1-260 |
        sed 's/^event *[0-9.]* /    /'
}

say "three nodes on loopback, engine $engine"
if [ "$engine" = nats ]; then
    nats-server -a 127.0.0.1 -p "$port" > /dev/null 2>&1 &
    running="$running $!"
fi
begin=$(now)
start one
start two
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
toggle one 0x1
toggle two 0x10
toggle three 0x100
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
toggle two 0x1000
toggle three 0x3000
sleep 1
show
if equal; then
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
event two overlap

say "node two is killed with SIGKILL, misses changes, and restarts"
toggle_all
end two KILL
burst one 500
toggle_all
begin=$(now)
start two
until_true "all states are equal" same
echo "  it is back with every change it acknowledged; all states are equal after $(since "$begin")"
show

say "node four joins with an invitation that node one made"
key=$("$program" keygen -o four/node.key)
order invite "four=$key" --connect "$endpoint" --out invitation | sed 's/^/  /'
cp one/keyspace.secret four/
"$program" join invitation --data four | sed 's/^/  /'
alone >> four/node.toml
begin=$(now)
start four
until_true "all nodes use list 1" list_is 1
until_true "all states are equal" same
toggle_all
burst four 500
until_true "all states are equal" same
echo "  it has everything, and all have its changes, after $(since "$begin")"
show

say "node three is restored from a backup that lacks its last 500 changes"
end three TERM
cp -a three backup
start three
# A change before that would begin a new life, of which the backup could know nothing.
until_true "all members vouch for node three" vouched three
burst three 500
toggle_all
until_true "all states are equal" same
end three KILL
toggle_all
rm -rf three
mv backup three
begin=$(now)
start three
until_true "node three says that it has forgotten something" told three memory_lost
toggle_all
until_true "all states are equal" same
echo "  it fetched what it had forgotten; all states are equal after $(since "$begin"); it reports:"
event three 'older copy'
show

say "node two gets another key"
new=$("$program" keygen -o two/new.key)
order rotate two "$new" | sed 's/^/  /'
until_true "all nodes use list 2" list_is 2
end two TERM
mv two/node.key two/former.key
mv two/new.key two/node.key
toggle_all
start two
until_true "every node sees the others" met
toggle_all
until_true "all states are equal" same
until_true "all members are in sync with node one" in_sync
ask one members | sed 's/^/  /'
show

say "node three is gone for good, and is removed"
end three KILL
order remove three | sed 's/^/  /'
until_true "all nodes use list 3" list_is 3
toggle_all
until_true "all states are equal" same
until_true "all members are in sync with node one" in_sync
ask one members | sed 's/^/  /'
show

say "node four retires, and what it made becomes part of the base"
ask four retire | sed 's/^/  /'
folded() {
    for _node in one two; do told "$_node" folded || return 1; done
}
until_true "nodes one and two have folded node four" folded
event one "part of the base"
end four TERM
order remove four | sed 's/^/  /'
until_true "all nodes use list 4" list_is 4
toggle_all
until_true "all states are equal" same
show

say "done: all states are equal, bit for bit, and have every acknowledged change"
