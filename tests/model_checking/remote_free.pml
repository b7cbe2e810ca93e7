/* RemoteFreeQueue: Push by two threads, Pop by the owner
 * (allocator/arena/remote_free_queue.h).
 *
 * Thread 1 posts a chain of three objects, thread 2 one object, and later each
 * object that the owner has given out again in the meantime, so that the same
 * address comes back. Each object that was posted comes out once, in the chain
 * it was posted in, and nothing is left.
 *
 * MUTANT 1: the head is compared and stored, not exchanged.
 * MUTANT 2: the link to the next chain is stored after the head.
 * MUTANT 3: a second try keeps the link of the first.
 * MUTANT 4: the owner loads the head and stores 0.
 * MUTANT 5: the owner reads on in a chain that it has handed out.
 * MUTANT 6: the tail is written after the head. */

#define THREADS 3
#define OWNER 0
/* Words: the head, and the link of each of the objects 1 to 4. */
#define HEAD 0
#define WORDS 5
#include "tso.pml"

/* A first object's word: next chain | second object; a second one's: third
 * object | last object | count. */
#define PACK_FIRST(next, second) ((next) + 8 * (second))
#define PACK_SECOND(third, last, count) ((third) + 8 * (last) + 64 * (count))

#ifndef MUTANT
#define MUTANT 0
#endif

bool posted[5];   /* what only the model knows */
byte pushes, pops;
byte working = 2; /* threads that may still push */
chan given = [1] of { byte };

inline PushChain(p_first, p_second, p_third, p_last, p_count) {
  assert(!posted[p_first]);
  posted[p_first] = true;
  if
  :: p_count > 1 ->
     assert(!posted[p_second]); posted[p_second] = true;
     assert(!posted[p_last]); posted[p_last] = true;
     if
     :: MUTANT != 6 -> Store(p_second, PACK_SECOND(p_third, p_last, p_count))
     :: else
     fi
  :: else
  fi;
  Load(HEAD, head);
  if
  :: MUTANT == 3 -> Store(p_first, PACK_FIRST(head, p_second))
  :: else
  fi;
  do
  :: if
     :: MUTANT != 2 && MUTANT != 3 -> Store(p_first, PACK_FIRST(head, p_second))
     :: else
     fi;
     if
     :: MUTANT == 1 ->
        Load(HEAD, seen);
        if
        :: seen == head -> Store(HEAD, p_first)
        :: else
        fi
     :: else -> CompareExchange(HEAD, head, p_first, seen)
     fi;
     if
     :: seen == head -> break
     :: else -> head = seen
     fi
  od;
  if
  :: MUTANT == 2 -> Store(p_first, PACK_FIRST(head, p_second))
  :: MUTANT == 6 && p_count > 1 -> Store(p_second, PACK_SECOND(p_third, p_last, p_count))
  :: else
  fi;
  pushes = pushes + p_count
}

active proctype PushThree() {
  byte me = 1;
  short head, seen;
  /* Objects 1, 2 and 3. */
  PushChain(1, 2, 3, 3, 3);
  empty(buffers[me]);
  working--
}

active proctype PushOnes() {
  byte me = 2;
  short head, seen;
  byte object, rounds;
  PushChain(4, 0, 0, 4, 1);
  do
  :: rounds < 2 && nempty(given) ->
     given ? object;
     rounds++;
     PushChain(object, 0, 0, object, 1)
  :: break
  od;
  empty(buffers[me]);
  working--
}

/* An object that was popped is its new owner's, who writes to it, and may post
 * it again. */
inline HandOut(h_object) {
  assert(h_object >= 1 && h_object <= 4);
  assert(posted[h_object]);
  posted[h_object] = false;
  pops++
}

inline PopAll() {
  do
  :: if
     :: taken == 0 ->
        if
        :: MUTANT == 4 -> Load(HEAD, taken); Store(HEAD, 0)
        :: else -> Exchange(HEAD, 0, taken)
        fi
     :: else
     fi;
     if
     :: taken == 0 -> break
     :: else
     fi;
     first = taken;
     if
     :: MUTANT == 5 -> HandOut(first); Store(first, 0)
     :: else
     fi;
     Load(first, word);
     taken = word % 8;
     second = word / 8;
     if
     :: second != 0 ->
        Load(second, word);
        third = word % 8;
        last = (word / 8) % 8;
        assert(word / 64 == 3 && third == 3 && last == 3);
        HandOut(second);
        HandOut(third)
     :: else
     fi;
     if
     :: MUTANT != 5 -> HandOut(first)
     :: else
     fi;
     if
       :: nfull(given) -> given ! first
     :: true
     fi
  od
}

active proctype Owner() {
  byte me = OWNER;
  short taken, word;
  byte first, second, third, last;
  do
  :: PopAll();
     if
     :: working == 0 -> break
     :: else
     fi
  od;
  PopAll();
  /* One that was given out and not posted any more is in nobody's queue. */
  assert(pushes == pops);
  assert(!posted[1] && !posted[2] && !posted[3] && !posted[4])
}
