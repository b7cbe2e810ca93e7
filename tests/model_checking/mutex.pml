/* Mutex with its futex (allocator/base/mutex.h, mutex.cc), three threads.
 *
 * One thread at a time is inside, what it wrote is what the next one sees, and
 * none sleeps for ever.
 *
 * MUTANT 1: locking is a load and a store.
 * MUTANT 2: Unlock frees a lock for which others wait, and wakes nobody.
 * MUTANT 3: who was woken takes the lock as held, not as contended.
 * MUTANT 4: who waits sleeps also where the lock has changed. */

#define THREADS 3
#define STATE 0
#define COUNT 1
#define WORDS 2
#include "tso.pml"

#ifndef MUTANT
#define MUTANT 0
#endif

#define kFree 0
#define kHeld 1
#define kContended 2

bool asleep[THREADS];
byte inside, ended;

inline LockSlow() {
  do
  :: if
     :: MUTANT == 3 && woken ->
        CompareExchange(STATE, kFree, kHeld, seen);
        if
        :: seen == kHeld -> Exchange(STATE, kContended, seen)
        :: else
        fi
     :: else -> Exchange(STATE, kContended, seen)
     fi;
     if
     :: seen == kFree -> break
     :: else
     fi;
     /* FUTEX_WAIT: the kernel compares, and puts to sleep. */
     atomic {
       empty(buffers[me]) ->
       if
       :: memory[STATE] == kContended || MUTANT == 4 -> asleep[me] = true
       :: else
       fi
     }
     !asleep[me];
     woken = true
  od
}

inline WakeOne() {
  atomic {
    if
    :: asleep[0] -> asleep[0] = false
    :: asleep[1] -> asleep[1] = false
    :: asleep[2] -> asleep[2] = false
    :: else
    fi
  }
}

active [THREADS] proctype Thread() {
  byte me = _pid - THREADS;
  short seen, count;
  bool woken;
  byte round;
  do
  :: round < 1 + (me == 0) ->
     round++;
     woken = false;
     if
     :: MUTANT == 1 ->
        Load(STATE, seen);
        if
        :: seen == kFree -> Store(STATE, kHeld)
        :: else
        fi
     :: else -> CompareExchange(STATE, kFree, kHeld, seen)
     fi;
     if
     :: seen != kFree -> LockSlow()
     :: else
     fi;
     inside++;
     assert(inside == 1);
     Load(COUNT, count);
     Store(COUNT, count + 1);
     inside--;
     CompareExchange(STATE, kHeld, kFree, seen);
     if
     :: seen != kHeld ->
        Exchange(STATE, kFree, seen);
        if
        :: seen == kContended && MUTANT != 2 -> WakeOne()
        :: else
        fi
     :: else
     fi
  :: else -> break
  od;
  ended++;
  ended < THREADS || memory[COUNT] == THREADS + 1
}
