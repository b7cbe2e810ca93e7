/* ThreadRegistry: Release by a thread that ends, Acquire by threads that come,
 * PurgeOrphans by another one, and frees that come late
 * (allocator/threads/thread_registry.cc, SubHeap::TakeIn).
 *
 * At most one thread is in a state at a time, and what is freed to it is taken
 * in once, by whoever has it then.
 *
 * MUTANT 1: who purges does not hold the lock meanwhile.
 * MUTANT 2: the state is an orphan before its thread has left it.
 * MUTANT 3: who acquires leaves the state in the list.
 * MUTANT 4: who acquires takes no lock.
 * MUTANT 5: a late free goes to the state only while a thread has it. */

#define THREADS 5
/* Words: the lock, the orphans, whether a thread has the state, the queue of
 * the state, the links of objects 1 to 3; and what its owner writes. */
#define LOCK 0
#define ORPHANS 1
#define LIVE 2
#define HEAD 3
#define LINK 3
#define OWNERS 7
#define WORDS 8
#define BUFFERED 1
#include "tso.pml"

#ifndef MUTANT
#define MUTANT 0
#endif

byte inside;       /* threads that use the state */
bool posted[4];
byte freed, taken_in;
byte running = 5;  

inline Enter() { inside++; assert(inside == 1) }
inline Leave() { assert(inside == 1); inside-- }

/* RemoteFreeQueue::Push of one object: remote_free.pml has the whole of it. */
inline Post(p_object) {
  assert(!posted[p_object]); posted[p_object] = true;
  Load(HEAD, head);
  do
  :: Store(LINK + p_object, head);
     CompareExchange(HEAD, head, p_object, seen);
     if
     :: seen == head -> break
     :: else -> head = seen
     fi
  od;
  freed++
}

/* SubHeap::TakeIn, which is not atomic, and writes to what is the state's. */
inline TakeIn() {
  Enter();
  Load(OWNERS, own);
  Exchange(HEAD, 0, chain);
  do
  :: chain != 0 ->
     object = chain;
     assert(posted[object]); posted[object] = false;
     Load(LINK + object, chain);
     own++
  :: else -> break
  od;
  Store(OWNERS, own);
  Leave()
}

inline Acquire() {
  if
  :: MUTANT != 4 -> Lock(LOCK)
  :: else
  fi;
  Load(ORPHANS, state);
  if
  :: state != 0 ->
     if
     :: MUTANT != 3 -> Store(ORPHANS, 0)
     :: else
     fi;
     Store(LIVE, 1)
  :: else
  fi;
  if
  :: MUTANT != 4 -> Unlock(LOCK)
  :: else
  fi
}

inline Release() {
  if
  :: MUTANT != 2 -> TakeIn()
  :: else
  fi;
  Lock(LOCK);
  Store(LIVE, 0);
  Store(ORPHANS, 1);
  Unlock(LOCK);
  if
  :: MUTANT == 2 -> TakeIn()
  :: else
  fi
}

/* It has the state at first. */
active proctype Ends() {
  byte me = 0;
  short chain, own;
  byte object;
  Release();
  empty(buffers[me]);
  running--
}

active [2] proctype Comes() {
  byte me = _pid - THREADS;
  short chain, own, state;
  byte object;
  Acquire();
  if
  :: state != 0 ->
     TakeIn();
     Release()
  :: else
  fi;
  empty(buffers[me]);
  running--
}

active proctype FreesLate() {
  byte me = 3;
  short head, seen, live;
  byte object;
  Post(1);
  if
  :: MUTANT == 5 -> Load(LIVE, live)
  :: else -> live = 1
  fi;
  if
  :: live -> Post(2)
  :: else -> freed++
  fi;
  empty(buffers[me]);
  running--
}

active proctype Purges() {
  byte me = 4;
  short chain, own, state;
  byte object;
  Lock(LOCK);
  Load(ORPHANS, state);
  if
  :: MUTANT == 1 -> Unlock(LOCK)
  :: else
  fi;
  if
  :: state != 0 -> TakeIn()
  :: else
  fi;
  if
  :: MUTANT != 1 -> Unlock(LOCK)
  :: else
  fi;
  /* Here it is the last thread, and comes into the state itself. */
  atomic { running == 1 -> state = 0; object = 0; chain = 0; own = 0 }
  Acquire();
  assert(state != 0);
  TakeIn();
  empty(buffers[me]);
  assert(!posted[1] && !posted[2]);
  assert(memory[OWNERS] == freed && freed == 2)
}
