// How many bytes an arena holds, and how many it may: of pages, or of blocks if
// it counts those. What is held never passes the limit, whatever threads do: a
// charge is made before pages are taken, and returned after they are given
// back.
//
// Quotas make trees. A charge goes up to the root, or is not made at all: the
// levels are looked at and changed under one lock, the root's, so that a charge
// that is refused is never seen by others. The charge is added from the root
// down and taken off from the leaf up: no reader sees a child hold more than
// its parent.
//
// A quota that was never opened nor given a limit is one atomic addition: the
// default arena's.
//
// Thread-safe, but for what is marked.
#ifndef MYONLY_ALLOCATOR_LARGE_QUOTA_H_
#define MYONLY_ALLOCATOR_LARGE_QUOTA_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/mutex.h"
#include "allocator/base/peek.h"
#include "allocator/base/status.h"
#include "allocator/large/pressure.h"

namespace myonly::internal {

class Quota;

struct QuotaOptions {
  size_t limit_bytes = 0;  // 0 = none
  size_t soft_limit_bytes = 0;
  size_t reserve_bytes = 0;
  Quota* parent = nullptr;
  bool counts_blocks = false;
  Pressure::Callback on_pressure = nullptr;
  void* ctx = nullptr;
  uintptr_t arena = 0;  // whose it is, for the callback
};

class Quota {
 public:
  // Levels of a tree.
  static constexpr size_t kMaxDepth = 16;

  // What only quotas with a reserve or a callback have.
  struct Extras {
    Pressure pressure;
    size_t soft_limit_bytes;
    size_t reserve_bytes;
    // The thread of the last refusal at this level, until it was final.
    const bool* refused;
  };

  // --- Bytes of pages; nothing is done if blocks are counted. ---

  // False and nothing changed if that would pass a limit.
  bool Charge(size_t bytes) {
    if (ABSL_PREDICT_FALSE(is_ruled_)) {
      return counts_blocks_ || ChargeRuled(bytes);
    }
    AddCharged(bytes);
    return true;
  }
  void Return(size_t bytes) {
    if (ABSL_PREDICT_TRUE(!is_ruled_)) {
      AddCharged(0 - bytes);
    } else if (!counts_blocks_) {
      ReturnRuled(bytes);
    }
  }

  // The same for what its owner might want, and could do without: no more than
  // half of what is left under a limit, and nothing that has to be told.
  ABSL_ATTRIBUTE_COLD bool ChargeSpare(size_t bytes);
  // Whether that would be granted.
  ABSL_ATTRIBUTE_COLD bool HasSpare(size_t bytes) const;

  // --- Of pages or of blocks, whichever is counted. ---

  ABSL_ATTRIBUTE_NOINLINE bool ChargeEither(size_t page_bytes,
                                            size_t block_bytes) {
    if (ABSL_PREDICT_FALSE(is_ruled_)) {
      return ChargeRuled(counts_blocks_ ? block_bytes : page_bytes);
    }
    AddCharged(page_bytes);
    return true;
  }
  ABSL_ATTRIBUTE_NOINLINE void ReturnEither(size_t page_bytes,
                                            size_t block_bytes) {
    if (ABSL_PREDICT_FALSE(is_ruled_)) {
      return ReturnRuled(counts_blocks_ ? block_bytes : page_bytes);
    }
    AddCharged(0 - page_bytes);
  }
  // Whether there are limits to be observed, here or above.
  bool is_ruled() const { return is_ruled_; }
  bool counts_blocks() const { return ABSL_PREDICT_FALSE(counts_blocks_); }

  // A request in `bytes` was refused for good, after all that could be given
  // back was: the level that refused releases its reserve and tells.
  ABSL_ATTRIBUTE_COLD void NoteRefusal();

  // While its owner drops everything what it returns stays charged; then all of
  // it is returned at once. No other thread uses the owner meanwhile.
  void BeginDrop() { is_dropping_ = true; }
  ABSL_ATTRIBUTE_COLD void EndDrop();

  // Moves a charge to another quota of the same tree: kUnsupported if it is of
  // another tree, kQuota if a limit is in the way. No other thread may open or
  // close quotas of these trees meanwhile.
  ABSL_ATTRIBUTE_COLD Status MoveTo(Quota& to, size_t bytes);

  // What it and its children hold; what it holds itself.
  size_t charged_bytes() const {
    // What the caller reads next is not older.
    return charged_.load(std::memory_order_acquire);
  }
  size_t own_bytes() {
    size_t charged;
    return own_bytes(&charged);
  }
  // Both at one moment.
  ABSL_ATTRIBUTE_COLD size_t own_bytes(size_t* charged);
  // 0 = no limit.
  size_t limit_bytes() const { return limit_.load(std::memory_order_relaxed); }
  // 0 = none, as for one that has nobody to tell. May be a little old, as the
  // number of children.
  size_t soft_limit_bytes() const {
    const Extras* extras = Peek(extras_);
    return extras == nullptr ? 0 : Peek(extras->soft_limit_bytes);
  }
  uint32_t num_children() const { return Peek(num_children_); }
  // Requests that NoteRefusal was told of, since it was opened.
  uint64_t refusals() const {
    return refusals_.load(std::memory_order_relaxed);
  }
  // Below what is held, too: then nothing is granted until that has fallen.
  ABSL_ATTRIBUTE_COLD void set_limit_bytes(size_t bytes);
  // Nothing for a quota that has nobody to tell.
  ABSL_ATTRIBUTE_COLD void set_soft_limit_bytes(size_t bytes);

  // --- Its life; one thread at a time for all quotas of a tree. ---

  // Whether another level fits below it.
  ABSL_ATTRIBUTE_COLD bool CanHaveChild() const;
  // A new quota that holds nothing. A reserve or a callback want set_extras
  // first.
  ABSL_ATTRIBUTE_COLD void Open(const QuotaOptions& options);
  bool has_extras() const { return extras_ != nullptr; }
  // Zeroed memory; stays for good.
  void set_extras(Extras* extras) { extras_ = extras; }
  // False and nothing done: it has children, or a callback of it is running.
  ABSL_ATTRIBUTE_COLD bool BeginClose();
  // Holds nothing any more, and leaves its tree.
  ABSL_ATTRIBUTE_COLD void EndClose();

  Mutex& mutex_for_fork() { return mutex_; }
  // In the child: what other threads had to tell is forgotten.
  ABSL_ATTRIBUTE_COLD void ForgetOthersAfterFork() {
    if (extras_ != nullptr) extras_->pressure.ForgetOthers();
  }

 private:
  // Modulo 2^64. A thread that is alone needs no locked instruction.
  void AddCharged(size_t bytes) {
    if (ABSL_PREDICT_TRUE(Mutex::IsSingleThreaded())) {
      const size_t charged = charged_.load(std::memory_order_relaxed);
      charged_.store(charged + bytes, std::memory_order_relaxed);
    } else {
      charged_.fetch_add(bytes, std::memory_order_relaxed);
    }
  }
  ABSL_ATTRIBUTE_COLD bool ChargeRuled(size_t bytes);
  ABSL_ATTRIBUTE_NOINLINE bool ChargeLevels(size_t bytes);
  ABSL_ATTRIBUTE_COLD void ReturnRuled(size_t bytes);

  Quota* parent() const { return parent_.load(std::memory_order_relaxed); }
  const Quota& Root() const;
  Mutex& TreeMutex() const { return Root().mutex_; }
  // What follows needs the tree's lock.
  bool Allows(size_t bytes) const;
  bool AllowsSpare(size_t bytes) const;
  bool Refuses(size_t bytes, const Quota* end);
  void Add(size_t bytes, const Quota* end);
  void Subtract(size_t bytes, const Quota* end);
  size_t UsableBytes() const;
  void NoteCharge(size_t charged);
  void NoteReturn(size_t charged);

  std::atomic<size_t> charged_{0};
  std::atomic<size_t> limit_{0};
  size_t own_ = 0;
  std::atomic<Quota*> parent_{nullptr};
  Extras* extras_ = nullptr;
  mutable Mutex mutex_{LockRank::kQuota};
  uint32_t num_children_ = 0;
  std::atomic<uint64_t> refusals_{0};
  bool is_ruled_ = false;
  bool counts_blocks_ = false;
  bool is_dropping_ = false;
  bool is_above_ = false;       // the soft limit
  bool has_hit_limit_ = false;  // its reserve may be used
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_QUOTA_H_
