/* Memory as x86 has it (Sewell et al., "x86-TSO", CACM 2010): a store waits in
 * its thread's buffer, in order, until the machine moves it to memory; a load
 * sees the thread's own buffer first; a locked instruction waits until the
 * buffer is empty.
 *
 * Who includes this defines WORDS and THREADS before, has each thread's
 * number in a local `byte me`, and runs Buffer(t) for each thread t. */

#ifndef BUFFERED
#define BUFFERED 3
#endif

short memory[WORDS];
chan buffers[THREADS] = [BUFFERED] of { byte, short };

active [THREADS] proctype Buffer() {
  byte word;
  short value;
end:
  do
  :: atomic { buffers[_pid] ? word, value -> memory[word] = value;
              word = 0; value = 0 }
  od
}

inline Store(s_word, s_value) { buffers[me] ! s_word, s_value }

byte tso_left, tso_word;
short tso_value;
inline Load(l_word, l_value) {
  d_step {
    l_value = memory[l_word];
    tso_left = len(buffers[me]);
    do
    :: tso_left > 0 ->
       buffers[me] ? tso_word, tso_value;
       buffers[me] ! tso_word, tso_value;
       if
       :: tso_word == l_word -> l_value = tso_value
       :: else
       fi;
       tso_left--
    :: else -> break
    od;
    tso_left = 0; tso_word = 0; tso_value = 0
  }
}

/* lock cmpxchg: `seen` is what was there; it took place if that is `old`. */
inline CompareExchange(c_word, c_old, c_new, c_seen) {
  atomic {
    empty(buffers[me]) -> c_seen = memory[c_word];
    if
    :: c_seen == c_old -> memory[c_word] = c_new
    :: else
    fi
  }
}

/* xchg */
inline Exchange(x_word, x_new, x_seen) {
  atomic { empty(buffers[me]) -> x_seen = memory[x_word]; memory[x_word] = x_new }
}

/* A lock as allocator/base/mutex.h is to who waits for it: see mutex.pml. */
inline Lock(k_word) {
  atomic { empty(buffers[me]) && memory[k_word] == 0 -> memory[k_word] = 1 }
}
inline Unlock(k_word) {
  atomic { empty(buffers[me]) -> assert(memory[k_word] == 1); memory[k_word] = 0 }
}
