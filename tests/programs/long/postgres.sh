#!/bin/bash
# needs: /usr/lib/postgresql/15/bin/initdb postgresql-15, setpriv util-linux
# A cluster is made, loaded, changed by several clients for LONG_SECONDS, and
# checked by amcheck. As another user, as the server refuses root.
set -u
bin=/usr/lib/postgresql/15/bin
as=()
if [[ "$(id -u)" == 0 ]]; then
  chown -R nobody "${PWD}"
  chmod 755 "${PWD}"
  as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
run() { "${as[@]}" env HOME="${PWD}" "$@"; }
run "${bin}/initdb" -D data -U tester --no-sync --locale=C >initdb.log 2>&1 || {
  tail -n 5 initdb.log
  exit 1
}
trap 'run "${bin}/pg_ctl" -D data -m immediate stop >/dev/null 2>&1' EXIT
run "${bin}/pg_ctl" -D data -w -t 300 -l log \
  -o "-c listen_addresses='' -k ${PWD} -c fsync=off" start >/dev/null || {
  tail -n 5 log
  exit 1
}
sql() { run "${bin}/psql" -h "${PWD}" -U tester -Atqc "$1" postgres; }
scale=$((LONG_SECONDS < 60 ? 1 : 5))
run "${bin}/pgbench" -h "${PWD}" -U tester -qi -s "${scale}" postgres 2>&1 |
  grep -i error
run "${bin}/pgbench" -h "${PWD}" -U tester -c 8 -j 2 -T "${LONG_SECONDS}" \
  postgres >bench.log 2>&1 || tail -n 5 bench.log
grep 'failed transactions' bench.log
sql 'select (select sum(abalance) from pgbench_accounts) =
 (select sum(bbalance) from pgbench_branches), count(*) > 0
 from pgbench_history'
sql "select count(*), sum(x), max(length(s)) from (select x,
 string_agg(y::text, ',') s from generate_series(1, 200) x,
 generate_series(1, 300) y group by x) q"
sql 'create extension amcheck' 2>&1
sql "select count(bt_index_parent_check(c.oid, true)) > 0 from pg_class c
 join pg_index i on i.indexrelid = c.oid join pg_am a on a.oid = c.relam
 where a.amname = 'btree' and c.relpersistence = 'p'"
grep -cE 'PANIC|signal|FATAL' log
true
