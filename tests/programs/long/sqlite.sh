#!/bin/bash
# needs: sqlite3 sqlite3
# Random rows written, changed and deleted, with indices and text search.
set -u
end=$((SECONDS + LONG_SECONDS))
rounds=0
while ((rounds < 3 || (SECONDS < end && rounds < LONG_SECONDS))); do
  rows=$((2000 + rounds % 7 * 1000))
  sqlite3 data.db >round 2>&1 <<SQL
drop table if exists t; drop table if exists words;
create table t(id integer primary key, a int, b text, c blob);
create index t_b on t(b); create index t_a on t(a, id);
with recursive n(x) as (select 1 union all select x + 1 from n where x < ${rows})
insert into t select x, (x * 7919) % 1009, hex(zeroblob((x * 31) % 300)) || x,
 zeroblob((x * 17) % 9000) from n;
update t set b = b || a where a % 3 = 0;
delete from t where a % 5 = 1;
create virtual table words using fts5(body);
insert into words select b || ' word' || a from t where id % 4 = 0;
select count(*), sum(a), sum(length(b)), sum(length(c)) from t;
select count(*) from words where words match 'word30*';
select a, count(*), max(b) from t group by a order by 2 desc, 1 limit 3;
pragma integrity_check; vacuum; pragma integrity_check;
SQL
  ((rounds < 3)) && cat round
  grep -qc '^ok$' round || { echo "round ${rounds}:"; cat round; }
  grep -qi 'error' round && cat round
  rounds=$((rounds + 1))
done
sqlite3 data.db 'pragma integrity_check'
