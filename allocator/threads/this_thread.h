// What the fast paths need of the calling thread: its lists of free objects,
// and the token that its slabs bear.
//
// In static TLS (initial-exec): reached without a call, and never allocated.
// Constant-initialised, so that a thread that has not allocated yet finds no
// list that may be used, a token that no slab has and an owner that no slice
// has. While libc starts it may be all zero: that must do no harm either.
#ifndef MYONLY_ALLOCATOR_THREADS_THIS_THREAD_H_
#define MYONLY_ALLOCATOR_THREADS_THIS_THREAD_H_

#include <cstddef>
#include <cstdint>

#include "allocator/base/status.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/threads/thread_state.h"

namespace myonly::internal {

inline constexpr uintptr_t kNoToken = 1;

// Of no arena, and without lists. Programs may pass any value for a handle, so
// that each stands where its own handle is not looked for.
extern ShareFront no_share;
extern ShareFront no_share_at_0;

struct ThisThread {
  Object* lists[kNumSizeClasses];
  uintptr_t token;  // of `state`, or kNoToken
  uintptr_t heap;   // of `state`: the address of its SubHeap; or kNoToken
  // Requests for fewer bytes may go to `lists`, and to `heap` at once: 0 if
  // there is none.
  size_t list_bytes_end;
  size_t quick_bytes_end;
  ThreadState* state;  // NULL: it has none (yet, or any more)
  // Shares of arenas of the program that it used last, by slot.
  static constexpr size_t kRecentShares = 8;
  ShareFront* recent_shares[kRecentShares];
  // A thread whose requests are asked for first (runtime/request_gate.h) has no
  // state at hand; its own is here.
  ThreadState* gated;
  uint8_t requests;  // made without a state, as far as it counts them
  bool ended;        // its state is given up for good
  bool holds_news;   // of pressure, until its call has done all parts
  Status last_status;

  bool HasStarted() const { return token != 0; }
  void Set(ThreadState* new_state) {
    const bool has = new_state != nullptr;
    state = new_state;
    token = has ? state->token() : kNoToken;
    heap = has ? reinterpret_cast<uintptr_t>(&state->heap()) : kNoToken;
    list_bytes_end = has ? kMaxSlabRequest + 1 : 0;
    quick_bytes_end = has ? BlockHeap::kMaxQuickRequest + 1 : 0;
    for (ShareFront*& share : recent_shares) share = &no_share;
    recent_shares[0] = &no_share_at_0;
  }
};

// `thread_local` of a type like this is reached by a call from other files.
extern
    __attribute__((tls_model("initial-exec"))) __thread ThisThread this_thread;

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_THREADS_THIS_THREAD_H_
