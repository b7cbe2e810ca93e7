#include "allocator/runtime/reentry.h"

#include <unwind.h>

#include <cstdint>

#include "allocator/base/check.h"
#include "allocator/guard/backtrace.h"

namespace myonly::internal {

__thread const InCall* innermost_call = nullptr;

namespace {

struct Search {
  uintptr_t outer;  // on the stack of the call that may be interrupted
  uintptr_t stack;  // where the frame before this one began
  uintptr_t interrupted;
  bool is_found;
};

_Unwind_Reason_Code Visit(_Unwind_Context* context, void* ctx) {
  auto* search = static_cast<Search*>(ctx);
  // The stack pointer of this frame: the end of the one that it has called.
  const uintptr_t stack = _Unwind_GetCFA(context);
  if (search->stack <= search->outer && search->outer < stack) {
    search->is_found = true;
    return _URC_END_OF_STACK;
  }
  search->stack = stack;
  int is_before_call = 0;
  const uintptr_t address = _Unwind_GetIPInfo(context, &is_before_call);
  if (is_before_call != 0) search->interrupted = address;
  return _URC_NO_REASON;
}

}  // namespace

void InCall::DieIfInHandler() const {
  if (!CanUnwind()) return;
  Search search = {reinterpret_cast<uintptr_t>(outer_), UINTPTR_MAX, 0, false};
  _Unwind_Backtrace(Visit, &search);
  if (!search.is_found || search.interrupted == 0) return;
  ReportAndAbort("call in a signal handler that interrupted the allocator",
                 reinterpret_cast<const void*>(search.interrupted));
}

}  // namespace myonly::internal
