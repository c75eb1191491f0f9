#!/bin/sh
# Records what wal2json captures of a PostgreSQL server, in both of its formats, as the samples
# wal2json-1.jsonl and wal2json-2.jsonl of atomik-workload. Needs PostgreSQL with wal2json: Debian's
# packages postgresql and postgresql-*-wal2json. The server runs in a temporary folder, without
# TCP; as root, it runs as the user postgres, because it refuses root.
set -eu

samples=$(cd "$(dirname "$0")/../crates/atomik-workload/samples" && pwd)
plugin=$(ls /usr/lib/postgresql/*/lib/wal2json.so 2>/dev/null | sort -V | tail -n 1)
if [ -z "$plugin" ]; then
    echo "record-wal2json: no wal2json: install postgresql and postgresql-*-wal2json" >&2
    exit 2
fi
programs=$(dirname "$(dirname "$plugin")")/bin
folder=$(mktemp -d /tmp/wal2json.XXXXXX)

server() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u postgres -- "$programs/$@")
    else
        "$programs/$@"
    fi
}

sql() {
    server psql -qAt -v ON_ERROR_STOP=1 -h "$folder" -U trace -d postgres "$@"
}

finish() {
    server pg_ctl -D "$folder/data" -m immediate stop >"$folder/stop.log" 2>&1 || true
    rm -rf "$folder"
}
trap finish EXIT

[ "$(id -u)" != 0 ] || chown postgres "$folder"
log=$folder/start.log
server initdb -D "$folder/data" -A trust -U trace >"$log" 2>&1 || { cat "$log" >&2; exit 3; }
server pg_ctl -D "$folder/data" -w -l "$folder/server.log" start >"$log" 2>&1 -o \
    "-c wal_level=logical -c fsync=off -c listen_addresses='' -c timezone=UTC -k $folder" ||
    { cat "$log" >&2; exit 3; }

sql -c "
create table orders (id int primary key, status text, total numeric(10,2), note text,
    paid boolean, big bigint, tags jsonb, rate float8, at timestamptz, words text[]);
alter table orders alter column note set storage external;
create table links (a int, b text, primary key (a, b));
create table whole (id int primary key, v text, w int, note text);
alter table whole alter column note set storage external;
alter table whole replica identity full;
create table chosen (id int primary key, code text not null unique, v int);
alter table chosen replica identity using index chosen_code_key;
create table silent (id int primary key, v int);
alter table silent replica identity nothing;
create table loose (v int);"

for slot in one two; do
    sql -c "select pg_create_logical_replication_slot('$slot', 'wal2json')" >"$log"
done

# Every statement is a transaction, unless it says otherwise.
# Without -r, a backslash continues a line.
# shellcheck disable=SC2162
while IFS= read statement; do
    sql -c "$statement" >"$log"
done <<'EOF'
insert into orders values (1, 'new', 3.50, repeat('x', 2100), false, \
    9223372036854775807, '{"a": 1}', 1e300, '2024-05-01 10:00:00+02', '{a,"b c"}')
update orders set status = 'paid', paid = true where id = 1
update orders set status = 'paid' where id = 1
update orders set note = repeat('y', 2100) where id = 1
update orders set total = 'NaN', rate = 'Infinity', tags = null where id = 1
insert into links values (1, 'a/b'), (2, E'"c"\n\u00e4')
insert into whole values (1, 'a', 1, repeat('x', 2100)), (2, 'b', 2, null)
update whole set v = null where id = 1
update whole set id = 3 where id = 2
update orders set id = 7 where id = 1
insert into chosen values (1, 'x', 1)
update chosen set v = 2 where id = 1
update chosen set code = 'y' where id = 1
delete from chosen
insert into silent values (1, 1)
update silent set v = 2 where id = 1
delete from silent
begin; delete from links where a = 1; delete from whole where id = 1; commit
begin; update whole set w = 5; rollback
select pg_logical_emit_message(true, 'note', 'no change of a row')
truncate links, whole
delete from orders
alter table loose add column w int
insert into loose values (1, 2)
EOF

for format in 1 2; do
    slot=$([ $format = 1 ] && echo one || echo two)
    sql -c "select data from pg_logical_slot_get_changes('$slot', null, null, 'format-version',
        '$format', 'include-timestamp', '1', 'include-pk', '1')" \
        >"$samples/wal2json-$format.jsonl"
done
wc -l "$samples"/wal2json-*.jsonl
sql -c 'select version()'
