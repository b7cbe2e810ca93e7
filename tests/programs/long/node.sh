#!/bin/bash
# needs: node nodejs
# Objects, buffers, compression and workers.
set -u
cat >work.js <<'END'
const { Worker, isMainThread, parentPort, workerData } =
  require('worker_threads');
const zlib = require('zlib');
const crypto = require('crypto');
function work(seed, rounds) {
  const hash = crypto.createHash('sha256');
  let state = seed;
  const next = () => (state = (state * 1103515245 + 12345) % 2147483648);
  const kept = [];
  for (let i = 0; i < rounds; ++i) {
    const buffer = Buffer.alloc(1 + next() % 60000, i % 251);
    kept.push(buffer);
    if (kept.length > 50) hash.update(kept.splice(next() % 50, 1)[0]);
    if (i % 50 === 0) {
      const packed = zlib.deflateSync(Buffer.concat(kept));
      hash.update(zlib.inflateSync(packed).subarray(0, 1000));
      hash.update(JSON.stringify(kept.map((b) => ({ n: b.length }))));
    }
  }
  return hash.digest('hex');
}
if (isMainThread) {
  const rounds = Number(process.argv[2]);
  const results = [];
  let left = 4;
  for (let i = 0; i < 4; ++i) {
    new Worker(__filename, { workerData: { seed: i + 1, rounds } }).on(
      'message', (text) => {
        results[i] = text;
        if (--left === 0) console.log(results.join('\n'));
      });
  }
  console.log(work(99, rounds));
} else {
  parentPort.postMessage(work(workerData.seed, workerData.rounds));
}
END
node work.js $((LONG_SECONDS * 40 < 400 ? 400 : LONG_SECONDS * 40)) | sort
