// Who is told when an arena's charge rises above its soft limit, falls well
// below it again, or would have passed its limit.
//
// Quota notes such a crossing in the midst of a call, with locks held. The
// thread whose call it was tells of it when the call has done its work and
// holds none: HasNews, then Tell. What has passed by then is not told: above
// and below come in turn. While a callback runs its arena tells nothing else;
// what has happened meanwhile comes after it, by the same thread.
//
// Thread-safe, but for Open.
#ifndef MYONLY_ALLOCATOR_LARGE_PRESSURE_H_
#define MYONLY_ALLOCATOR_LARGE_PRESSURE_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/mutex.h"

struct myonly_arena;  // the C API's handle, a value for us

namespace myonly::internal {

// Set while this thread has news to tell; its address tells threads apart.
extern __attribute__((tls_model("initial-exec"),
                      visibility("hidden"))) __thread bool has_pressure_news;

class Pressure {
 public:
  // MYONLY_PRESSURE_*.
  enum Event : int32_t { kNone, kSoft, kRelieved, kLimit };
  using Callback = void (*)(void* ctx, myonly_arena* arena, int32_t event);

  // For a new arena. NULL: nobody is told.
  ABSL_ATTRIBUTE_COLD void Open(Callback callback, void* ctx, uintptr_t arena);
  // Tells nothing any more. False and nothing done: it is just telling.
  ABSL_ATTRIBUTE_COLD bool Close();
  // While it is open.
  bool has_callback() const { return callback_ != nullptr; }

  // The calling thread has brought the charge above the soft limit, or below
  // 7/8 of it; and to the limit.
  ABSL_ATTRIBUTE_COLD void NoteAbove(bool is_above);
  ABSL_ATTRIBUTE_COLD void NoteLimit();

  // Whether this thread has something to tell.
  static bool HasNews() { return ABSL_PREDICT_FALSE(has_pressure_news); }
  // Calls callbacks: no lock may be held, and the arena that the caller works
  // on may be another one afterwards.
  ABSL_ATTRIBUTE_COLD static void Tell();

  // In the child of a fork, before the lock is reset: what other threads had to
  // tell is forgotten.
  ABSL_ATTRIBUTE_COLD void ForgetOthers();
  static Mutex& mutex_for_fork();

 private:
  void Announce();
  void Remove();
  Event NextEvent();
  static Pressure* TakeFirst();

  Callback callback_;
  void* ctx_;
  uintptr_t arena_;
  Pressure* next_;       // of those with news
  const bool* crosser_;  // the thread that is to tell; NULL: no news
  const bool* teller_;   // the thread that is just telling, or NULL
  bool is_above_;
  bool told_above_;
  bool has_hit_limit_;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_PRESSURE_H_
