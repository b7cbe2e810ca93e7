// A lock of 4 bytes that needs no destructor and works before libc is ready:
// one compare-and-swap when free, a futex wait when not (Ulrich Drepper,
// "Futexes Are Tricky", 2011, third mutex).
//
// While libc says that the process has one thread, locking costs a load: a
// second thread can only be made by the thread that is here, and not while it
// holds one of these. Thread-safe.
#ifndef MYONLY_ALLOCATOR_BASE_MUTEX_H_
#define MYONLY_ALLOCATOR_BASE_MUTEX_H_

#include <features.h>

#include <atomic>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "allocator/base/lock_rank.h"

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
#include <sys/single_threaded.h>
#define MYONLY_SINGLE_THREADED (__libc_single_threaded != 0)
#else
#define MYONLY_SINGLE_THREADED false
#endif

namespace myonly::internal {

class ABSL_LOCKABLE Mutex {
 public:
  constexpr explicit Mutex(LockRank rank) : rank_(rank) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    NoteLock(/*for_fork=*/false);
    Take();
  }

  void Unlock() ABSL_UNLOCK_FUNCTION() {
    NoteUnlock();
    if (ABSL_PREDICT_TRUE(IsSingleThreaded())) return;
    uint32_t expected = kHeld;
    if (ABSL_PREDICT_TRUE(state_.compare_exchange_strong(
            expected, kFree, std::memory_order_release,
            std::memory_order_relaxed))) {
      return;
    }
    UnlockSlow();
  }

  // What decides whether locking is skipped.
  static bool IsSingleThreaded() { return MYONLY_SINGLE_THREADED; }

  // Around fork(), by the thread that calls it: LockForFork on every mutex and
  // then BeginFork; EndFork and then one of the others on every mutex. Between
  // BeginFork and EndFork this thread may lock what it holds: handlers of
  // others, which run there, allocate.
  void LockForFork() { TakeForFork(/*most_ms=*/0); }
  // The same, unless it is not free for so long, which is less than a second.
  bool TryLockForFork(uint32_t most_ms) { return TakeForFork(most_ms); }
  static void BeginFork();
  static void EndFork();
  void UnlockAfterFork() {
    NoteUnlock();
    if (state_.exchange(kFree, std::memory_order_release) == kContended) Wake();
  }
  // In the child, whatever the parent's state was.
  void ResetAfterFork() {
    NoteUnlock();
    state_.store(kFree, std::memory_order_relaxed);
  }

 private:
  void Take() {
    if (ABSL_PREDICT_TRUE(IsSingleThreaded())) return;
    uint32_t expected = kFree;
    if (ABSL_PREDICT_TRUE(state_.compare_exchange_strong(
            expected, kHeld, std::memory_order_acquire,
            std::memory_order_relaxed))) {
      return;
    }
    LockSlow();
  }

  enum State : uint32_t { kFree, kHeld, kContended };

  void LockSlow();
  void UnlockSlow();
  // 0: as long as it takes.
  ABSL_ATTRIBUTE_COLD bool TakeForFork(uint32_t most_ms)
      ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void Wake();

#ifdef NDEBUG
  void NoteLock(bool /*for_fork*/) {}
  void NoteUnlock() {}
#else
  void NoteLock(bool for_fork) const;
  void NoteUnlock() const;
#endif

  std::atomic<uint32_t> state_{kFree};
  [[maybe_unused]] const LockRank rank_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex)
      : mutex_(mutex) {
    mutex_.Lock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }

 private:
  Mutex& mutex_;
};

// For those who hold nothing and wait for what nobody tells them of. Less than
// a second.
ABSL_ATTRIBUTE_COLD void SleepMs(uint32_t ms);

// While a function of the program runs that gives pages: it may lock what ranks
// lower, as its locks are others' than those that are held, and nobody who
// holds one of them comes here.
class LockRankPause {
 public:
#ifdef NDEBUG
  LockRankPause() {}
  ~LockRankPause() {}
#else
  LockRankPause();
  ~LockRankPause();
#endif
  LockRankPause(const LockRankPause&) = delete;
  LockRankPause& operator=(const LockRankPause&) = delete;

#ifndef NDEBUG
 private:
  uint32_t held_count_[static_cast<int>(LockRank::kLast) + 1];
#endif
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_MUTEX_H_
