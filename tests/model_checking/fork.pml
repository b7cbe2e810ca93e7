/* The gate around fork(): ProcessHeap::PrepareFork, ParentAfterFork and
 * ChildAfterFork, Mutex::LockForFork and BeginFork.
 *
 * No thread hangs, in the parent or in the child; the child finds nothing half
 * done under a lock, and doesn't touch the share of a thread that was lost in
 * the midst of a call. Handlers of others, which run inside the gate, allocate.
 *
 * MUTANT 1: the locks are taken in the wrong order.
 * MUTANT 2: the child's locks stay as they are.
 * MUTANT 3: a lock is left out.
 * MUTANT 4: shares of lost threads are not frozen.
 * MUTANT 5: inside the gate Unlock frees a lock.
 * MUTANT 6: every thread may lock while one forks. */

#define THREADS 3
#define FORKS 0
/* Two locks, what each of them guards (two words that are equal when nobody
 * holds it), and a share that is half changed while its owner is in a call. */
#define FIRST 0
#define SECOND 1
#define GUARDED 2 /* FIRST: words 2 and 3; SECOND: words 4 and 5 */
#define SHARE 6
#define WORDS 7
#include "tso.pml"

#ifndef MUTANT
#define MUTANT 0
#endif

#define kFree 0
#define kHeld 1
#define kContended 2
#define kNobody 9

byte forking = kNobody;
short child[WORDS];
byte inside[2];

inline LockMutex(m_lock) {
  CompareExchange(m_lock, kFree, kHeld, seen);
  if
  :: seen == kFree || forking == me || (MUTANT == 6 && forking != kNobody)
  :: else ->
     /* LockSlow: mutex.pml has the futex. */
     atomic {
       empty(buffers[me]) && memory[m_lock] == kFree ->
       memory[m_lock] = kContended
     }
  fi
}

inline UnlockMutex(m_lock) {
  CompareExchange(m_lock, kHeld, kFree, seen);
  if
  :: seen == kHeld || forking == me
  :: else -> Exchange(m_lock, kFree, seen)
  fi
}

inline LockForFork(m_lock) {
  LockMutex(m_lock);
  if
  :: MUTANT != 5 -> Store(m_lock, kContended)
  :: else
  fi
}

/* What is done under a lock. */
inline Change(m_lock) {
  inside[m_lock]++;
  assert(inside[m_lock] == 1);
  Load(GUARDED + 2 * m_lock, value);
  Store(GUARDED + 2 * m_lock, value + 1);
  Store(GUARDED + 2 * m_lock + 1, value + 1);
  inside[m_lock]--
}

inline Allocate() {
  LockMutex(FIRST);
  LockMutex(SECOND);
  Change(SECOND);
  UnlockMutex(SECOND);
  Change(FIRST);
  UnlockMutex(FIRST)
}

active proctype Forks() {
  byte me = FORKS;
  short seen, value;
  if
  :: MUTANT == 1 -> LockForFork(SECOND); LockForFork(FIRST)
  :: MUTANT == 3 -> LockForFork(FIRST)
  :: else -> LockForFork(FIRST); LockForFork(SECOND)
  fi;
  forking = me;
  /* A handler. */
  Allocate();
  /* Other threads' buffers are not the child's. */
  d_step {
    empty(buffers[me]) ->
    child[0] = memory[0]; child[1] = memory[1]; child[2] = memory[2];
    child[3] = memory[3]; child[4] = memory[4]; child[5] = memory[5];
    child[6] = memory[6]
  }
  forking = kNobody;
  if
  :: MUTANT != 3 -> Exchange(SECOND, kFree, seen)
  :: else
  fi;
  Exchange(FIRST, kFree, seen);
  /* In the child. */
  if
  :: MUTANT != 2 -> child[FIRST] = kFree; child[SECOND] = kFree
  :: else
  fi;
  child[FIRST] == kFree && child[SECOND] == kFree;
  assert(child[2] == child[3] && child[4] == child[5]);
  if
  :: MUTANT == 4 -> assert(child[SHARE] == 0)
  :: else
  fi
}

active [2] proctype Works() {
  byte me = _pid - THREADS;
  short seen, value;
  Allocate();
  if
  :: me == 1 -> Store(SHARE, 1); Store(SHARE, 0)
  :: else
  fi;
  LockMutex(SECOND);
  Change(SECOND);
  UnlockMutex(SECOND)
}
