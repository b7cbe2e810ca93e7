#!/bin/bash
# needs: java default-jre-headless, javac default-jdk-headless
# Threads that allocate, and compress outside of Java's heap, under three
# collectors.
set -u
cat >Work.java <<'END'
import java.util.*;
import java.util.zip.*;
public class Work {
  public static void main(String[] args) throws Exception {
    int rounds = Integer.parseInt(args[0]);
    long[] sums = new long[4];
    Thread[] threads = new Thread[4];
    for (int t = 0; t < 4; ++t) {
      final int id = t;
      threads[t] = new Thread(() -> {
        Random random = new Random(id);
        Map<Integer, byte[]> map = new HashMap<>();
        for (int i = 0; i < rounds; ++i) {
          map.put(random.nextInt(500), new byte[random.nextInt(20000)]);
          if (i % 100 == 0) {
            Deflater deflater = new Deflater();
            deflater.setInput(new byte[50000]);
            deflater.finish();
            sums[id] += deflater.deflate(new byte[60000]);
            deflater.end();
          }
        }
        for (byte[] bytes : map.values()) sums[id] += bytes.length;
      });
      threads[t].start();
    }
    for (Thread thread : threads) thread.join();
    System.out.println(Arrays.toString(sums));
  }
}
END
for collector in UseSerialGC UseParallelGC UseG1GC; do
  java "-XX:+${collector}" -Xmx256m Work.java \
    $((LONG_SECONDS * 500 < 5000 ? 5000 : LONG_SECONDS * 500))
done
