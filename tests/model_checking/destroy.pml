/* An arena is destroyed after another thread's free of one of its objects, and
 * made again in the same slot; its slab goes to the default arena
 * (ArenaRegistry::Destroy, Find, Create; Arena::Close, OpenShare;
 * ProcessHeap::FreeOtherSlow).
 *
 * What was freed to the arena reaches nobody who has its memory later, and a
 * handle that is stale gives no memory: neither to the thread that had a share,
 * nor to one that asks while the arena is destroyed.
 *
 * MUTANT 1: a free to an arena of the program waits in the thread's batch.
 * MUTANT 2: what was posted to a share is still there after Close.
 * MUTANT 3: Close leaves the share open.
 * MUTANT 4: the generation stays.
 * MUTANT 5: who allocates does not look again, under the lock, whether the
 *           arena is open.
 * MUTANT 6: who destroys does not take the arena's lock. */

#define THREADS 4
#define REGISTRY 0   /* the registry's lock */
#define ARENA 1      /* the arena's lock */
#define SLOT 2       /* the generation of the slot; 16 more: it is live */
#define IS_OPEN 3
#define SHARE 4      /* the handle for which the share is open; 0: for none */
#define SLAB 5       /* who has the slab with the object */
#define QUEUE 5      /* QUEUE + SHARES, QUEUE + DEFAULT: their heads */
#define SHARES 1
#define DEFAULT 2
#define BLOCKS 8     /* of the arena */
#define WORDS 9
#define BUFFERED 2
#include "tso.pml"

#ifndef MUTANT
#define MUTANT 0
#endif

#define kLive 16
bool in_use;  /* the object is the program's */
byte handle = 1;
chan given = [1] of { bit };
chan freed = [2] of { bit };
chan destroyed = [1] of { byte };
bool begun, done;

active proctype Begins() {
  d_step {
    memory[SLOT] = kLive + 1; memory[IS_OPEN] = 1; memory[SHARE] = 1;
    memory[SLAB] = SHARES; in_use = true; begun = true
  }
  given ! 1
}

/* The object is a queue of its own here: remote_free.pml has the real one. */
inline Push(p_owner) {
  Exchange(QUEUE + p_owner, 1, seen);
  assert(seen == 0)
}
inline TakeIn(p_owner) {
  Exchange(QUEUE + p_owner, 0, seen);
  if
  :: seen != 0 ->
     Load(SLAB, owner);
     assert(owner == p_owner && !in_use)
  :: else
  fi
}

/* Has the share. */
active proctype Owns() {
  byte me = 0;
  short seen, owner, next;
  begun;
  if
  :: TakeIn(SHARES)
  :: true
  fi;
  empty(buffers[me]);
  freed ! 1;
  /* The program has synchronised with whoever destroyed the arena. */
  destroyed ? next;
  Load(SHARE, seen);
  if
  :: seen == 1 ->
     Load(SLAB, owner);
     assert(owner == SHARES)
  :: else
  fi;
  /* The slice goes to the default arena, and the object to the program. */
  Load(SLAB, owner);
  if
  :: owner == 0 -> Store(SLAB, DEFAULT); in_use = true
  :: else
  fi;
  TakeIn(DEFAULT);
  /* A share of the new arena. */
  Lock(ARENA);
  Load(IS_OPEN, seen);
  if
  :: seen -> Store(SHARE, next)
  :: else
  fi;
  Unlock(ARENA);
  TakeIn(SHARES);
  done -> TakeIn(DEFAULT)
}

active proctype Frees() {
  byte me = 1;
  short seen, owner;
  given ? 1;
  atomic { assert(in_use); in_use = false };
  Load(SLAB, owner);
  if
  :: MUTANT != 1 -> Push(owner)
  :: else
  fi;
  empty(buffers[me]);
  freed ! 1;
  if
  :: MUTANT == 1 -> Load(SLAB, owner);
     if
     :: owner != 0 -> Push(owner)
     :: else
     fi
  :: else
  fi;
  done = true
}

active proctype Destroys() {
  byte me = 2;
  short slot;
  /* Whoever used the arena has ended, as the program must see to. */
  freed ? 1;
  freed ? 1;
  Lock(REGISTRY);
  if
  :: MUTANT != 6 -> Lock(ARENA)
  :: else
  fi;
  Store(IS_OPEN, 0);
  if
  :: MUTANT != 2 -> Store(QUEUE + SHARES, 0)
  :: else
  fi;
  Store(SLAB, 0);
  Store(BLOCKS, 0);
  if
  :: MUTANT != 3 -> Store(SHARE, 0)
  :: else
  fi;
  if
  :: MUTANT != 6 -> Unlock(ARENA)
  :: else
  fi;
  Load(SLOT, slot);
  Store(SLOT, slot - kLive);
  if
  :: MUTANT != 4 -> Store(SLOT, slot - kLive + 1)
  :: else
  fi;
  Unlock(REGISTRY);
  /* Nothing is left in a closed arena. */
  Load(BLOCKS, slot);
  assert(slot == 0);
  /* The next one in the slot. */
  Lock(REGISTRY);
  Load(SLOT, slot);
  Lock(ARENA);
  Store(IS_OPEN, 1);
  Unlock(ARENA);
  Store(SLOT, slot + kLive);
  Unlock(REGISTRY);
  assert(slot != handle);
  destroyed ! slot
}

/* The program does wrong: it allocates in an arena that may be destroyed. */
active proctype AllocatesLate() {
  byte me = 3;
  short seen, open;
  begun;
  Load(SLOT, seen);
  if
  :: seen == kLive + handle ->
     Lock(ARENA);
     Load(IS_OPEN, open);
     if
     :: open || MUTANT == 5 ->
        Load(BLOCKS, seen);
        Store(BLOCKS, seen + 1);
        Load(IS_OPEN, open);
        assert(open)
     :: else
     fi;
     Unlock(ARENA)
  :: else
  fi
}
