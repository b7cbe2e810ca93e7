// prctl of the preset secure: who is about to give up the right to most system
// calls (seccomp) says so here first. What sampled blocks need is asked for
// then, and nothing later, as the process would be killed for it.
//
// Without more rights than others have, that begins with PR_SET_NO_NEW_PRIVS,
// also where the filter is set by another call (libseccomp).
#include "allocator/base/preset.h"

#ifdef MYONLY_PRESET_SECURE

#include <errno.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "allocator/base/system_call.h"
#include "allocator/runtime/sampling.h"

#define MYONLY_EXPORT extern "C" __attribute__((visibility("default")))

using myonly::internal::Sampling;
using myonly::internal::SystemCall;
using myonly::internal::SystemCallFailed;
using myonly::internal::SystemCallNumber;

MYONLY_EXPORT int prctl(int option, ...) noexcept {
  unsigned long given[4];
  va_list list;
  va_start(list, option);
  for (unsigned long& each : given) each = va_arg(list, unsigned long);
  va_end(list);
  if (option == PR_SET_NO_NEW_PRIVS || option == PR_SET_SECCOMP) {
    Sampling::PrepareForSandbox();
  }
  const long result =
      SystemCall(SystemCallNumber::kPrctl, static_cast<unsigned long>(option),
                 given[0], given[1], given[2], given[3]);
  if (!SystemCallFailed(result)) return static_cast<int>(result);
  errno = static_cast<int>(-result);
  return -1;
}

#endif
