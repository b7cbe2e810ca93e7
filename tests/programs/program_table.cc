#include "tests/programs/program_table.h"

#include <iterator>
#include <vector>

namespace myonly::testing {
namespace {

// --- Interpreters ---------------------------------------------------------

constexpr char kPython[] = R"sh(
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
cat > work.py <<'END'
import collections, decimal, hashlib, io, json, random, re, threading, zlib

random.seed(42)
rows = [{'id': i, 'name': 'n' * (i % 97), 'data': [random.random()] * (i % 13)}
        for i in range(20000)]
text = json.dumps(rows)
assert json.loads(text) == rows
print(len(text), hashlib.sha256(text.encode()).hexdigest())
words = collections.Counter(re.findall(r'n+', text))
print(sorted(words.items())[:3], len(words))
packed = zlib.compress(text.encode(), 6)
print(len(packed), zlib.decompress(packed) == text.encode())
decimal.getcontext().prec = 2000
print(str(decimal.Decimal(2).sqrt())[-20:])
print(len(str(3 ** 9000)))
buffers = []
for i in range(3000):
    buffers.append(bytearray(random.randrange(1, 200000)))
    if len(buffers) > 100:
        buffers.pop(random.randrange(len(buffers)))
print(sum(map(len, buffers)))
results = [0] * 8
def work(index):
    strings = {str(i) * (i % 31): i for i in range(index, 20000, 8)}
    results[index] = sum(len(key) for key in strings)
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(results)
out = io.StringIO()
for i in range(50000): out.write('%d,' % i)
print(hashlib.md5(out.getvalue().encode()).hexdigest())
END
python3 -S -s work.py
)sh";

constexpr char kPerl[] = R"sh(
cat > work.pl <<'END'
use strict; use warnings;
my %count; my $seed = 1;
for my $i (1 .. 200000) {
  $seed = ($seed * 1103515245 + 12345) % 2147483648;
  $count{'key' . $seed % 5000} .= chr(65 + $i % 26);
}
my $total = 0;
for my $key (sort keys %count) { $total += length $count{$key}; }
print scalar(keys %count), " $total\n";
my @lines = map { join ',', map { $_ * $_ } 1 .. $_ % 50 } 1 .. 20000;
my $text = join "\n", @lines;
my $matches = () = $text =~ /(\d+),(\d+)/g;
print length($text), " $matches\n";
$text =~ s/(\d)(\d)/$2$1/g;
print unpack('%32C*', $text), "\n";
my @sorted = sort { length $a <=> length $b or $a cmp $b } @lines;
print substr($sorted[-1], 0, 40), "\n";
my $deep = []; $deep = [$deep, $_] for 1 .. 20000; undef $deep;
print "done\n";
END
perl work.pl
)sh";

constexpr char kBash[] = R"sh(
declare -A table
for ((i = 0; i < 20000; i++)); do
  table[key$((i % 1500))]+="$i "
done
total=0
for key in "${!table[@]}"; do total=$((total + ${#table[$key]})); done
echo "${#table[@]} $total"
text=$(for i in {1..3000}; do echo "line $i of ${RANDOM:0:0}text"; done)
echo "${#text} ${text//line/x}" | md5sum
fib() { local n=$1; ((n < 2)) && echo "$n" && return
  echo $(($(fib $((n - 1))) + $(fib $((n - 2))))); }
fib 9
mapfile -t lines <<< "$text"; echo "${#lines[@]} ${lines[2999]}"
(exit 7); echo "$?"
)sh";

constexpr char kAwk[] = R"sh(
awk 'BEGIN {
  for (i = 0; i < 200000; i++) { seen[i % 7919] = seen[i % 7919] "x" i % 10 }
  for (key in seen) { total += length(seen[key]); keys++ }
  print keys, total
  text = ""
  for (i = 0; i < 20000; i++) text = text i ","
  print length(text), split(text, parts, ","), parts[19999]
  gsub(/1/, "one", text); print length(text)
}'
)sh";

constexpr char kNode[] = R"sh(
cat > work.js <<'END'
const crypto = require('crypto'), zlib = require('zlib');
const rows = [];
for (let i = 0; i < 50000; i++) rows.push({id: i, text: 'x'.repeat(i % 61)});
const text = JSON.stringify(rows);
const hash = crypto.createHash('sha256').update(text);
console.log(text.length, hash.digest('hex'));
const packed = zlib.gzipSync(text);
console.log(zlib.gunzipSync(packed).toString() === text);
const {Worker, isMainThread} = require('worker_threads');
let left = 3;
for (let i = 0; i < 3; i++) {
  const worker = new Worker(
      `const all = []; for (let i = 0; i < 2000; i++) all.push(Buffer.alloc(i));
       require('worker_threads').parentPort.postMessage(all.length);`,
      {eval: true});
  worker.on('message', (n) => { if (--left === 0) console.log('workers', n); });
}
END
node work.js
)sh";

constexpr char kTcl[] = R"sh(
cat > work.tcl <<'END'
for {set i 0} {$i < 50000} {incr i} { lappend t([expr {$i % 997}]) "item $i" }
set total 0
foreach key [array names t] { incr total [string length $t($key)] }
puts "[array size t] $total"
puts [string length [join [lsort -integer -decreasing \
    [lmap x [split [string repeat "7 13 2 " 5000]] {
      if {$x eq ""} continue; set x }]] ,]]
END
tclsh work.tcl
)sh";

constexpr char kRuby[] = R"sh(
ruby -e '
table = Hash.new { |h, k| h[k] = +"" }
100_000.times { |i| table["key#{i % 3001}"] << (65 + i % 26).chr }
puts table.size, table.values.sum(&:length)
puts (1..2000).reduce(:*).to_s.length
puts 8.times.map { |n| Thread.new { (1..20_000).map { |i| "#{n}#{i}" }
  .sort.last } }.map(&:value).join(",")'
)sh";

// --- Compilers and builders -----------------------------------------------

// The object file has to come out the same, and so has what it does.
constexpr char kCompile[] = R"sh(
cat > work.cc <<'END'
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_map>
#include <iterator>
#include <vector>
int main() {
  std::map<std::string, std::vector<int>> tree;
  std::unordered_map<int, std::unique_ptr<std::string>> table;
  for (int i = 0; i < 100000; ++i) {
    tree["key" + std::to_string(i % 977)].push_back(i);
    table[i % 5003] = std::make_unique<std::string>(i % 41, 'x');
  }
  std::size_t total = 0;
  for (const auto& [key, values] : tree) total += key.size() * values.size();
  for (const auto& [key, text] : table) total += text->size();
  std::ostringstream out;
  for (int i = 0; i < 20000; ++i) out << i << ' ';
  const std::regex digits("1[0-9]+ ");
  const std::string text = out.str().substr(0, 20000);
  std::cout << total << ' ' << out.str().size() << ' '
            << std::distance(
                   std::sregex_iterator(text.begin(), text.end(), digits),
                   std::sregex_iterator())
            << '\n';
  try { std::string().at(1); } catch (const std::exception&) {
    std::cout << "caught\n";
  }
  std::vector<std::size_t> sizes(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < sizes.size(); ++t) {
    threads.emplace_back([&sizes, t] {
      std::vector<std::string> all;
      for (std::size_t i = 0; i < 20000; ++i) all.emplace_back(i % 97, 'y');
      for (const auto& each : all) sizes[t] += each.size();
    });
  }
  for (auto& thread : threads) thread.join();
  std::cout << sizes[0] << ' ' << sizes[3] << '\n';
}
END
$CXX_UNDER_TEST -std=c++17 -O1 -frandom-seed=1 -c work.cc -o work.o || exit 1
md5sum work.o
$CXX_UNDER_TEST work.o -o work -lpthread && ./work
)sh";

constexpr char kGcc[] = R"sh(
cat > work.c <<'END'
#include <stdio.h>
#define F(n) int f##n(int x) { return x % 7 ? x + n : f##n(x - 1) * n; }
#define TEN(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7)
TEN(1) TEN(2) TEN(3) TEN(4) TEN(5) TEN(6) TEN(7) TEN(8) TEN(9)
int main(void) { printf("%d\n", f10(14) + f97(15)); return 5; }
END
gcc -O2 -S work.c -o - | md5sum
gcc -O2 work.c -o work && ./work; echo "$?"
)sh";

constexpr char kCmake[] = R"sh(
mkdir source && cd source
cat > CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.10)
project(work C)
set(all "")
foreach(i RANGE 1 2000)
  list(APPEND all "item${i}")
  string(SHA256 hash "${all}")
endforeach()
list(LENGTH all length)
message(STATUS "length ${length} ${hash}")
foreach(i RANGE 1 8)
  set(part ${CMAKE_BINARY_DIR}/part${i}.c)
  file(WRITE ${part} "int part${i}(void) { return ${i}; }")
  list(APPEND parts ${part})
endforeach()
add_library(parts STATIC ${parts})
add_executable(work main.c)
target_link_libraries(work parts)
END
echo 'int part8(void); int main(void) { return part8(); }' > main.c
cmake -S . -B build > log || { cat log; exit 1; }
grep length log
cmake --build build > log || { cat log; exit 1; }
build/work; echo "$?"
)sh";

constexpr char kMake[] = R"sh(
cat > Makefile <<'END'
items := $(foreach a,0 1 2 3 4 5 6 7 8 9,$(foreach b,0 1 2 3 4 5 6 7 8 9,$a$b))
files := $(items:%=out/%.txt)
all: $(files) ; @cat $(files) | md5sum; echo $(words $(sort $(items)))
out/%.txt: | out ; @echo "$* $(subst 1,one,$(items))" > $@
out: ; @mkdir out
END
make -s -j4
make -q out/00.txt; echo "$?"
)sh";

// --- Data -----------------------------------------------------------------

constexpr char kSqlite[] = R"sh(
sqlite3 work.db <<'END'
create table t(id integer primary key, name text, value real, data blob);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 30000)
insert into t select i, 'name' || (i % 977), i * 1.5, zeroblob(i % 300) from n;
commit;
create index by_name on t(name, value);
select count(*), sum(length(data)), round(avg(value), 3) from t;
select name, count(*) c, max(value) from t group by name order by c desc, name
  limit 5;
update t set data = zeroblob(4000) where id % 50 = 0;
delete from t where id % 3 = 0;
select a.name, count(*) from t a join t b on a.name = b.name and a.id < b.id
  where a.id < 500 group by a.name order by 1 limit 5;
select length(group_concat(name, ',')) from t;
vacuum;
pragma integrity_check;
END
sqlite3 work.db 'select count(*), sum(length(data)) from t'
)sh";

constexpr char kRedis[] = R"sh(
redis-server --port 0 --unixsocket "$PWD/socket" --save '' --appendonly no \
  --daemonize no > log 2>&1 &
server=$!
trap 'kill -9 $server 2> /dev/null' EXIT
cli() { redis-cli -s "$PWD/socket" "$@"; }
for i in {1..200}; do
  [ "$(cli ping 2> /dev/null)" = PONG ] && break
  sleep 0.05
done
cli ping || { cat log; exit 1; }
for i in {1..3000}; do
  echo "set key$i $i"; echo "append key$i abcdefghijklmnopqrstuvwxyzabcdefgh"
  echo "hset hash$((i % 20)) field$i value$i"; echo "rpush list $i"
  echo "zadd scores $((i * 7919 % 10007)) member$i"
done | redis-cli -s "$PWD/socket" | md5sum
redis-benchmark -s "$PWD/socket" -q -n 20000 -c 20 -d 200 -r 1000 -P 4 \
  -t set,get,incr,lpush,lpop,sadd,hset,mset > /dev/null && echo benchmark
cli strlen key77; cli hlen hash3; cli zrange scores 0 4; cli lindex list 2999
cli eval 'local t = {} for i = 1, 5000 do t[i] = i .. "x" end
  return #table.concat(t)' 0
cli object encoding list; cli flushall; cli dbsize
cli shutdown nosave
wait $server; echo "server ended with $?"
)sh";

constexpr char kGit[] = R"sh(
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
git init -q -b main work && cd work && git config gc.auto 0
for i in {1..60}; do
  mkdir -p "dir$((i % 7))"; seq $i $((i * 40)) > "dir$((i % 7))/file$i"
done
git add . && git commit -q -m first
for i in {1..8}; do
  seq $((i * 100)) >> dir1/file1; echo "$i" > "dir2/new$i"
  git add . && git commit -q -m "change $i"
done
git checkout -q -b side HEAD~4 && echo side > side && git add side
git commit -q -m side && git checkout -q main && git merge -q -m merge side
git rev-parse HEAD; git log --oneline --graph | md5sum
git diff --stat HEAD~5 | tail -1
git log -p --follow dir1/file1 | md5sum
git blame dir1/file1 | md5sum
git gc -q --aggressive && git fsck --strict && git count-objects | cut -d, -f1
git clone -q . ../copy && git -C ../copy rev-parse HEAD
git status --short
)sh";

constexpr char kTarXz[] = R"sh(
mkdir tree
for i in {1..200}; do seq $((i * 20)) > "tree/file$i"; done
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=644 \
  -cf tree.tar tree/*
md5sum tree.tar
xz -k -6 -T2 --block-size=300000 tree.tar && xz -t tree.tar.xz
xz -dc tree.tar.xz | md5sum
mkdir copy && tar -xJf tree.tar.xz -C copy
diff -r tree copy/tree && echo same
)sh";

constexpr char kGzip[] = R"sh(
seq 200000 > numbers
gzip -9nk numbers && md5sum numbers.gz && gzip -dc numbers.gz | cmp - numbers
echo "$?"
)sh";

constexpr char kBzip2[] = R"sh(
seq 200000 > numbers
bzip2 -9k numbers && md5sum numbers.bz2 && bzip2 -dc numbers.bz2 | cmp - numbers
echo "$?"
)sh";

constexpr char kZstd[] = R"sh(
seq 300000 > numbers
zstd -q -12 -T2 numbers -o packed && zstd -q -t packed
zstd -q -dc packed | cmp - numbers; echo "$?"
)sh";

constexpr char kSort[] = R"sh(
awk 'BEGIN { s = 1; for (i = 0; i < 300000; i++) {
  s = (s * 16807) % 2147483647; print s } }' > numbers
sort -n numbers | md5sum
sort -S 2M --parallel=4 -T . numbers | md5sum
sort -u -k1.2,1.5 -s numbers | wc -l
)sh";

constexpr char kText[] = R"sh(
seq 100000 | sed -E 's/([0-9])([0-9])/\2\1/g; /7{2}/d' | md5sum
seq 200000 | grep -E '(1|2)[3-5]{2}.*9$' | wc -l
seq 200000 | grep -P '^(\d)(\d)\2\1$' | md5sum
seq 5000 > a; seq 2 3 6000 > b; diff a b | md5sum
)sh";

constexpr char kOpenssl[] = R"sh(
seq 200000 > numbers
openssl dgst -sha512 numbers | sed 's/.*= *//'
openssl enc -aes-256-cbc -pbkdf2 -iter 1000 -S 0011223344556677 \
  -k secret -in numbers -out cipher 2> log && md5sum cipher
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key 2> log
openssl req -x509 -new -key key -subj /CN=work -days 2 -out certificate
openssl verify -CAfile certificate certificate
openssl dgst -sign key -out signature numbers
openssl pkey -in key -pubout -out public
openssl dgst -verify public -signature signature numbers
)sh";

constexpr char kGdb[] = R"sh(
gdb -nx -batch -ex 'python print(len([str(i) * 7 for i in range(50000)]))' \
  -ex 'print 6 * 7' 2> log
)sh";

constexpr char kVim[] = R"sh(
seq 20000 > text
vim -u NONE -N -es -c '%s/1/one/g' -c 'g/5/d' -c 'sort' -c 'wq' text
md5sum text
)sh";

constexpr Program kPrograms[] = {
    {"Python", "python3", "python3", "", kPython},
    {"PythonOnMallocAlone", "python3", "python3", "PYTHONMALLOC=malloc",
     kPython},
    {"Perl", "perl", "perl", "", kPerl},
    {"Bash", "bash md5sum", "bash", "", kBash},
    {"Awk", "awk", "awk", "", kAwk},
    {"Node", "node", "node", "", kNode},
    {"Tcl", "tclsh", "tclsh", "", kTcl},
    {"Ruby", "ruby", "ruby", "", kRuby},
    {"Gxx", "g++ md5sum", "cc1plus", "CXX_UNDER_TEST=g++", kCompile},
    {"Clang", "clang++ md5sum", "work", "CXX_UNDER_TEST=clang++", kCompile},
    {"Gcc", "gcc md5sum", "cc1", "", kGcc},
    {"Cmake", "cmake make gcc", "cmake", "", kCmake},
    {"Make", "make md5sum", "make", "", kMake},
    {"Sqlite", "sqlite3", "sqlite3", "", kSqlite},
    // Debian's server is a link to redis-check-rdb.
    {"Redis", "redis-server redis-cli redis-benchmark md5sum",
     "redis-(server|check-rdb)", "", kRedis},
    {"Git", "git md5sum", "git", "", kGit},
    {"TarXz", "tar xz md5sum", "xz", "", kTarXz},
    {"Gzip", "gzip md5sum", "gzip", "", kGzip},
    {"Bzip2", "bzip2 md5sum", "bzip2", "", kBzip2},
    {"Zstd", "zstd", "zstd", "", kZstd},
    {"Sort", "sort awk md5sum", "sort", "", kSort},
    {"SedGrepDiff", "sed grep diff md5sum", "sed", "", kText},
    {"Openssl", "openssl md5sum", "openssl", "", kOpenssl},
    {"Gdb", "gdb", "gdb", "", kGdb},
    {"Vim", "vim md5sum", "vim", "", kVim},
};

}  // namespace

std::vector<Program> Programs() {
  return std::vector<Program>(std::begin(kPrograms), std::end(kPrograms));
}

}  // namespace myonly::testing
