// Whether a call of the allocator came while the same thread was in another
// one, for the debug preset.
//
// Calls inside of calls come from libc, which allocates for a thread's keys,
// from pressure callbacks and from functions that give pages: they may do so.
// A signal handler may not: what it has interrupted may be half done, with a
// lock held. The two are told apart by the frame that a signal leaves on the
// stack.
#ifndef MYONLY_ALLOCATOR_RUNTIME_REENTRY_H_
#define MYONLY_ALLOCATOR_RUNTIME_REENTRY_H_

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"

namespace myonly::internal {

// The innermost call that this thread is in; NULL: none.
class InCall;
extern
    __attribute__((tls_model("initial-exec"),
                   visibility("hidden"))) __thread const InCall* innermost_call;

// Made by each call on its stack.
class InCall {
 public:
  ABSL_ATTRIBUTE_ALWAYS_INLINE InCall() : outer_(innermost_call) {
    if (ABSL_PREDICT_FALSE(outer_ != nullptr)) DieIfInHandler();
    innermost_call = this;
    asm volatile("" : : : "memory");  // handlers of this thread see it
  }
  InCall(const InCall&) = delete;
  InCall& operator=(const InCall&) = delete;
  ABSL_ATTRIBUTE_ALWAYS_INLINE ~InCall() {
    asm volatile("" : : : "memory");
    innermost_call = outer_;
  }

  // This thread is about to die: handlers of SIGABRT may do what they like.
  static void Forget() { innermost_call = nullptr; }

 private:
  ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE void DieIfInHandler() const;

  const InCall* const outer_;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_REENTRY_H_
