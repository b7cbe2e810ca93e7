#include "allocator/runtime/fault_handler.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace myonly::internal {
namespace {

using Handler = void (*)(int, siginfo_t*, void*);

// Handlers of the program in front of which it can be: each has a function of
// its own, which knows what follows.
constexpr size_t kMostHandlers = 8;

struct sigaction followers[kMostHandlers];
std::atomic<size_t> num_followers{0};
std::atomic<bool> is_changing{false};
std::atomic<void (*)(const siginfo_t*, void*)> first_of_all{nullptr};

// The fault that this thread is at, so that it is looked at once although
// handlers call each other. The next one has a frame at least as high.
struct Current {
  const siginfo_t* info;
  uintptr_t frame;
};
__attribute__((tls_model("initial-exec"))) __thread Current current = {};

void SetDefault() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(SIGSEGV, &action, nullptr);
}

// Nobody has asked for the signal: the instruction faults again on return. What
// was sent is sent again.
void FollowSystem(const struct sigaction& next, const siginfo_t& info) {
  const bool was_sent = info.si_code <= 0;
  if (was_sent && next.sa_handler == SIG_IGN) return;
  SetDefault();
  if (was_sent) raise(SIGSEGV);
}

void Follow(size_t index, int signal, siginfo_t* info, void* context) {
  struct sigaction& next = followers[index];
  if ((next.sa_flags & SA_SIGINFO) == 0 &&
      (next.sa_handler == SIG_DFL || next.sa_handler == SIG_IGN)) {
    return FollowSystem(next, *info);
  }
  const struct sigaction now = next;
  if ((now.sa_flags & static_cast<int>(SA_RESETHAND)) != 0) {
    next.sa_flags = 0;
    next.sa_handler = SIG_DFL;
  }
  if ((now.sa_flags & SA_SIGINFO) != 0) {
    now.sa_sigaction(signal, info, context);
  } else {
    now.sa_handler(signal);
  }
}

template <size_t kIndex>
__attribute__((noinline)) void OnFault(int signal, siginfo_t* info,
                                       void* context) {
  const int error = errno;
  const auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const Current before = current;
  const bool is_again = info == before.info && frame < before.frame;
  if (!is_again) {
    current = {info, frame};
    first_of_all.load(std::memory_order_acquire)(info, context);
  }
  errno = error;
  Follow(kIndex, signal, info, context);
}

constexpr Handler kHandlers[kMostHandlers] = {
    OnFault<0>, OnFault<1>, OnFault<2>, OnFault<3>,
    OnFault<4>, OnFault<5>, OnFault<6>, OnFault<7>,
};

bool IsOurs(const struct sigaction& action) {
  if ((action.sa_flags & SA_SIGINFO) == 0) return false;
  for (Handler handler : kHandlers) {
    if (action.sa_sigaction == handler) return true;
  }
  return false;
}

bool IsSame(const struct sigaction& one, const struct sigaction& other) {
  return one.sa_sigaction == other.sa_sigaction &&
         one.sa_flags == other.sa_flags;
}

// Which of ours goes in front of it; kMostHandlers: none is left.
size_t IndexFor(const struct sigaction& action) {
  const size_t count = num_followers.load(std::memory_order_relaxed);
  for (size_t i = 0; i < count; ++i) {
    if (IsSame(followers[i], action)) return i;
  }
  if (count != kMostHandlers) {
    followers[count] = action;
    num_followers.store(count + 1, std::memory_order_release);
  }
  return count;
}

// On the stack that theirs wants, with the signals blocked that it wants.
void GoInFront(const struct sigaction& theirs) {
  const size_t index = IndexFor(theirs);
  if (index == kMostHandlers) return;
  struct sigaction ours = theirs;
  const bool is_system =
      (theirs.sa_flags & SA_SIGINFO) == 0 && theirs.sa_handler == SIG_DFL;
  ours.sa_flags &= ~static_cast<int>(SA_RESETHAND);
  ours.sa_flags |= is_system ? SA_SIGINFO | SA_ONSTACK : SA_SIGINFO;
  ours.sa_sigaction = kHandlers[index];
  sigaction(SIGSEGV, &ours, nullptr);
}

}  // namespace

void KeepFaultHandler(void (*on_fault)(const siginfo_t*, void*)) {
  const int error = errno;
  struct sigaction now;
  if (sigaction(SIGSEGV, nullptr, &now) == 0 && !IsOurs(now) &&
      !is_changing.exchange(true, std::memory_order_acquire)) {
    first_of_all.store(on_fault, std::memory_order_release);
    GoInFront(now);
    is_changing.store(false, std::memory_order_release);
  }
  errno = error;
}

}  // namespace myonly::internal
