// setrlimit: a program that limits its addresses (RLIMIT_AS) would be over its
// limit at once, as most of them are reserved for the heap.

#include <errno.h>
#include <sys/resource.h>

#include "allocator/base/system_call.h"
#include "allocator/runtime/heap.h"

#define MYONLY_EXPORT extern "C" __attribute__((visibility("default")))

using myonly::internal::SystemCall;
using myonly::internal::SystemCallFailed;
using myonly::internal::SystemCallNumber;

MYONLY_EXPORT int setrlimit(__rlimit_resource_t resource,
                            const rlimit* limit) noexcept {
  const long result = SystemCall(SystemCallNumber::kPrlimit, 0,
                                 static_cast<unsigned long>(resource),
                                 reinterpret_cast<unsigned long>(limit), 0);
  if (SystemCallFailed(result)) {
    errno = static_cast<int>(-result);
    return -1;
  }
  if (resource == RLIMIT_AS) myonly::internal::Heap::FollowLimit();
  return 0;
}

// The name for programs that ask for 64 bits; the type has the same layout.
static_assert(sizeof(rlimit) == sizeof(rlimit64));
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wattribute-alias"
#endif
MYONLY_EXPORT int setrlimit64(__rlimit_resource_t, const rlimit64*) noexcept
    __attribute__((alias("setrlimit")));
#pragma GCC diagnostic pop
