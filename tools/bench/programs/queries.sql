-- Tables in memory. The table `setting` says how many rows.
CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT, town INTEGER, note TEXT);
WITH RECURSIVE numbers(n) AS (
  SELECT 1 UNION ALL SELECT n + 1 FROM numbers, setting WHERE n < setting.rows
)
INSERT INTO people
SELECT n, 'name' || (n * 7919 % 100003), n * 31 % 500,
       substr('a note of some length that is kept', 1, n % 34)
FROM numbers;
CREATE INDEX by_name ON people(name);
CREATE INDEX by_town ON people(town, name);
CREATE TABLE towns AS
SELECT town, count(*) AS people, group_concat(note) AS notes
FROM people GROUP BY town;
SELECT count(*), sum(length(notes)) FROM towns;
SELECT count(*), sum(a.id % 1000)
FROM people a JOIN people b ON a.name = b.name AND a.id < b.id;
UPDATE people SET note = note || name WHERE id % 3 = 0;
DELETE FROM people WHERE id % 5 = 0;
SELECT town, max(name), sum(length(note)) FROM people
GROUP BY town HAVING town % 50 = 0 ORDER BY 2, 1;
