#include "allocator/base/mutex.h"

#include <errno.h>
#include <linux/futex.h>
#include <time.h>

#include <atomic>
#include <cstdint>

#include "allocator/base/check.h"
#include "allocator/base/system_call.h"

namespace myonly::internal {
namespace {

// Longer spinning starves the holder when threads outnumber cores.
constexpr int kSpins = 40;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Its address tells threads apart.
__attribute__((tls_model("initial-exec"))) thread_local char this_thread;

// The thread between BeginFork and EndFork: it holds every mutex.
std::atomic<const char*> forking_thread{nullptr};

timespec Duration(uint32_t ms) { return {0, long{1000000} * ms}; }

bool IsForking() {
  const char* thread = forking_thread.load(std::memory_order_relaxed);
  return thread != nullptr && thread == &this_thread;
}

}  // namespace

void Mutex::BeginFork() {
  forking_thread.store(&this_thread, std::memory_order_relaxed);
}

void Mutex::EndFork() {
  forking_thread.store(nullptr, std::memory_order_relaxed);
}

void Mutex::LockSlow() {
  if (IsForking()) return;
  for (int i = 0; i < kSpins; ++i) {
    Pause();
    uint32_t expected = kFree;
    if (state_.load(std::memory_order_relaxed) == kFree &&
        state_.compare_exchange_strong(expected, kHeld,
                                       std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      return;
    }
  }
  while (state_.exchange(kContended, std::memory_order_acquire) != kFree) {
    SystemCall(SystemCallNumber::kFutex,
               reinterpret_cast<unsigned long>(&state_), FUTEX_WAIT_PRIVATE,
               kContended, 0);
  }
}

void Mutex::UnlockSlow() {
  if (IsForking()) return;
  if (state_.exchange(kFree, std::memory_order_release) == kContended) Wake();
}

// Contended from the start, so that Unlock comes to UnlockSlow.
bool Mutex::TakeForFork(uint32_t most_ms) {
  NoteLock(/*for_fork=*/true);
  if (IsSingleThreaded()) return true;
  const timespec most = Duration(most_ms);
  while (state_.exchange(kContended, std::memory_order_acquire) != kFree) {
    const long result = SystemCall(
        SystemCallNumber::kFutex, reinterpret_cast<unsigned long>(&state_),
        FUTEX_WAIT_PRIVATE, kContended,
        most_ms == 0 ? 0 : reinterpret_cast<unsigned long>(&most));
    if (result == -ETIMEDOUT) {
      NoteUnlock();
      return false;
    }
  }
  return true;
}

void SleepMs(uint32_t ms) {
  const timespec duration = Duration(ms);
  SystemCall(SystemCallNumber::kNanosleep,
             reinterpret_cast<unsigned long>(&duration));
}

void Mutex::Wake() {
  SystemCall(SystemCallNumber::kFutex, reinterpret_cast<unsigned long>(&state_),
             FUTEX_WAKE_PRIVATE, 1);
}

#ifndef NDEBUG
namespace {

// How many locks of each rank this thread holds.
__attribute__((tls_model("initial-exec"))) thread_local uint32_t
    held_count[static_cast<int>(LockRank::kLast) + 1];

}  // namespace

void Mutex::NoteLock(bool for_fork) const {
  if (IsForking()) return;
  const int rank = static_cast<int>(rank_);
  for (int r = rank; r <= static_cast<int>(LockRank::kLast); ++r) {
    MYONLY_CHECK(held_count[r] == 0 ||
                 (r == rank && (for_fork || rank_ == LockRank::kArena ||
                                rank_ == LockRank::kQuota)));
  }
  ++held_count[rank];
}

void Mutex::NoteUnlock() const {
  if (IsForking()) return;
  MYONLY_CHECK(held_count[static_cast<int>(rank_)] != 0);
  --held_count[static_cast<int>(rank_)];
}

LockRankPause::LockRankPause() {
  __builtin_memcpy(held_count_, held_count, sizeof(held_count));
  __builtin_memset(held_count, 0, sizeof(held_count));
}

LockRankPause::~LockRankPause() {
  __builtin_memcpy(held_count, held_count_, sizeof(held_count));
}
#endif

}  // namespace myonly::internal
