/* RunPool: the lock is given up around the system call that purges a free run,
 * while others allocate and free (PurgeLargest, Allocate, Free).
 *
 * Nobody's memory is purged, nobody has a run that somebody else has, and who
 * was told that a run reads as zero finds zero.
 *
 * MUTANT 1: the run that is purged can be allocated meanwhile.
 * MUTANT 2: it counts as clean also if the system refuses.
 * MUTANT 3: a run counts as clean before it has been purged.
 * MUTANT 4: who frees a neighbour coalesces with the run that is purged. */

#define THREADS 3
/* Two slices: what is in them, and what the pool knows. */
#define LOCK 0
#define DATA 1  /* words 1 and 2 */
#define STATE 3 /* words 3 and 4 */
#define WORDS 5
#include "tso.pml"

#ifndef MUTANT
#define MUTANT 0
#endif

#define kClean 0
#define kDirty 1
#define kBusy 2
#define kInUse 3

byte owner[2];

inline FindDirty(f_found) {
  Load(STATE, state);
  Load(STATE + 1, other);
  if
  :: state == kDirty -> f_found = 0
  :: state != kDirty && other == kDirty -> f_found = 1
  :: else -> f_found = 2
  fi
}

active proctype Purges() {
  byte me = 0;
  short state, other;
  byte slice, rounds;
  bool purged;
  do
  :: rounds < 2 ->
     rounds++;
     Lock(LOCK);
     FindDirty(slice);
     if
     :: slice < 2 ->
        if
        :: MUTANT == 1
        :: MUTANT == 3 -> Store(STATE + slice, kClean)
        :: else -> Store(STATE + slice, kBusy)
        fi;
        Unlock(LOCK);
        if
        :: purged = true; Exchange(DATA + slice, 0, state)
        :: purged = false
        fi;
        Lock(LOCK);
        if
        :: MUTANT == 3 -> skip
        :: MUTANT == 1 ->
           Load(STATE + slice, state);
           if
           :: state == kDirty && purged -> Store(STATE + slice, kClean)
           :: else
           fi
        :: purged || MUTANT == 2 -> Store(STATE + slice, kClean)
        :: else -> Store(STATE + slice, kDirty)
        fi;
        slice = 2; state = 0; other = 0; purged = false
     :: else
     fi;
     Unlock(LOCK)
  :: else -> break
  od
}

inline TakeOne() {
  Load(STATE, state);
  Load(STATE + 1, other);
  if
  :: state <= kDirty -> slice = 0; is_zero = (state == kClean)
  :: other <= kDirty -> slice = 1; is_zero = (other == kClean)
  :: else -> slice = 2
  fi
}

active [2] proctype Uses() {
  byte me = _pid - THREADS;
  short state, other, data;
  byte slice, rounds;
  bool is_zero;
  do
  :: rounds < me ->
     rounds++;
     Lock(LOCK);
     TakeOne();
     if
     :: slice < 2 -> Store(STATE + slice, kInUse)
     :: else
     fi;
     Unlock(LOCK);
     if
     :: slice < 2 ->
        assert(owner[slice] == 0);
        owner[slice] = me;
        Load(DATA + slice, data);
        assert(!is_zero || data == 0);
        Store(DATA + slice, me);
        Load(DATA + slice, data);
        assert(data == me);
        empty(buffers[me]);
        Load(DATA + slice, data);
        assert(data == me);
        owner[slice] = 0;
        Lock(LOCK);
        Load(STATE + slice, state);
        assert(state == kInUse);
        Store(STATE + slice, kDirty);
        if
        :: MUTANT == 4 ->
           Load(STATE + 1 - slice, other);
           if
           :: other == kBusy -> Store(STATE + 1 - slice, kDirty)
           :: else
           fi
        :: else
        fi;
        Unlock(LOCK)
     :: else
     fi;
     slice = 2; state = 0; other = 0; data = 0
  :: else -> break
  od
}
