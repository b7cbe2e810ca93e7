#!/bin/bash
# needs: redis-server redis-server, redis-benchmark redis-tools
# Known contents, then redis-benchmark beside them for LONG_SECONDS, then the
# contents again, also after a restart from the file.
set -u
socket="${PWD}/socket"
start() {
  redis-server --port 0 --unixsocket "${socket}" --save '' --dir "${PWD}" \
    --dbfilename dump --loglevel warning --daemonize yes \
    --pidfile "${PWD}/pid" --enable-debug-command yes >/dev/null
  for ((i = 0; i < 300; ++i)); do
    redis-cli -s "${socket}" ping 2>/dev/null | grep -q PONG && return
    sleep 0.2
  done
  echo "redis-server does not start"
  exit 1
}
trap '[[ -e pid ]] && kill "$(cat pid)"' EXIT
ask() { redis-cli -s "${socket}" "$@"; }
start
awk 'BEGIN {
  srand(7)
  for (i = 0; i < 60000; ++i) {
    value = sprintf("%0*d", 1 + int(rand() * 400), i)
    print "SELECT 3"
    print "SET key" i " " value
    print "RPUSH list" i % 500 " " value
    print "HSET hash" i % 700 " f" i " " value
    if (i % 3 == 0) print "DEL key" int(rand() * i)
  }
}' | ask --pipe >/dev/null
digest() { ask -n 3 debug digest; ask -n 3 dbsize; }
digest
end=$((SECONDS + LONG_SECONDS))
while ((SECONDS < end)); do
  redis-benchmark -s "${socket}" -q -n 20000 -c 30 -d 300 -r 20000 \
    -t set,get,lpush,lpop,sadd,hset,spop,zadd,mset >benchmark 2>&1 ||
    echo "redis-benchmark failed"
done
ask flushdb >/dev/null
digest
ask save >/dev/null
ask shutdown nosave 2>/dev/null
while [[ -e "${socket}" ]]; do sleep 0.2; done
start
digest
ask shutdown nosave 2>/dev/null
