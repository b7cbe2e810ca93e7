// sigaction and signal of the preset secure: who sets a handler of SIGSEGV is
// noticed here, so that a sampled request has no system call to make to know.
// A process may have given up the right to such calls (seccomp).
#include <signal.h>

#include "allocator/base/preset.h"
#include "allocator/runtime/fault_handler.h"

#if defined(MYONLY_PRESET_SECURE) && defined(__GLIBC__)

#define MYONLY_EXPORT extern "C" __attribute__((visibility("default")))

// Another name that glibc has for its own signal.
extern "C" sighandler_t ssignal(int signal, sighandler_t handler) noexcept;

MYONLY_EXPORT int sigaction(int signal, const struct sigaction* action,
                            struct sigaction* before) noexcept {
  const int result = myonly::internal::SetSystemAction(signal, action, before);
  if (signal == SIGSEGV && action != nullptr) {
    myonly::internal::NoteFaultHandler();
  }
  return result;
}

MYONLY_EXPORT sighandler_t signal(int number, sighandler_t handler) noexcept {
  sighandler_t before = ssignal(number, handler);
  if (number == SIGSEGV) myonly::internal::NoteFaultHandler();
  return before;
}

#endif
