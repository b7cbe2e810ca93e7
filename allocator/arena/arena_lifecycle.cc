// The arena as a whole: opening, resetting, closing, purging, statistics and
// checks; its own part and the threads' shares.

#include <cstring>

#include "allocator/arena/arena.h"
#include "allocator/arena/owner_list.h"
#include "allocator/arena/sub_heap.h"

namespace myonly::internal {
namespace {

void StoreQuota(const Quota& quota, ArenaStats* stats) {
  stats->limit_bytes = quota.limit_bytes();
  stats->soft_limit_bytes = quota.soft_limit_bytes();
  stats->charged_bytes = quota.charged_bytes();
  stats->children = quota.num_children();
  stats->refusals = quota.refusals();
}

}  // namespace

ABSL_ATTRIBUTE_NOINLINE Arena Arena::Make(RunPool& runs, HugeMappings& huge,
                                          uint64_t (*seed)()) {
  return Arena(runs, huge, seed, "arena");
}

void Arena::Open(const ArenaOptions& options, Quota* parent) {
  MutexLock lock(mutex_);
  memset(name_, 0, sizeof(name_));
  strncpy(name_, options.name, kMaxArenaName);
  QuotaOptions quota;
  quota.limit_bytes = options.limit_bytes;
  quota.soft_limit_bytes = options.soft_limit_bytes;
  quota.reserve_bytes = options.reserve_bytes;
  quota.parent = parent;
  quota.counts_blocks = options.exact_bytes;
  quota.on_pressure = options.on_pressure;
  quota.ctx = options.ctx;
  quota.arena = token_;
  quota_.Open(quota);
  allocations_ = frees_ = 0;
  resets_.store(0, std::memory_order_relaxed);
  peak_live_bytes_ = 0;
  poisons_ = options.poisons_on_reset;
  is_open_ = true;
}

bool Arena::OpenShare(SubHeap* share) {
  MutexLock lock(mutex_);
  if (!is_open_) return false;
  PushOwned(&shares_, share);
  share->Open(token_);
  return true;
}

Status Arena::SetFaults(uintptr_t token, const FaultOptions* options,
                        uint64_t* failures) {
  MutexLock lock(mutex_);
  if (IsNot(token)) return Status::kStale;
  if (options != nullptr) {
    if (faults_.is_on()) return Status::kBusy;
    faults_.Begin(*options);
    token ^= ShareFront::kKeptMark;
  } else {
    if (!faults_.is_on()) return Status::kInvalid;
    *failures = faults_.End();
  }
  for (SubHeap* share = shares_; share != nullptr; share = share->next) {
    share->handle = token;
  }
  return Status::kOk;
}

bool Arena::ResetIf(uintptr_t token, SliceCache* cache) {
  MutexLock lock(mutex_);
  if (IsNot(token)) return false;
  NotePeak();
  DropAll(cache, /*reset=*/true);
  resets_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool Arena::Close(bool require_empty, SliceCache* cache) {
  MutexLock lock(mutex_);
  if (require_empty) {
    ArenaStats stats = {};
    stats.live_blocks = allocations_ - frees_;
    for (SubHeap* share = shares_; share != nullptr; share = share->next) {
      share->AddStats(&stats);
    }
    if (stats.live_blocks != 0) return false;
  }
  if (!quota_.BeginClose()) return false;
  // Whoever sees a block gone sees this, too.
  __atomic_store_n(&is_open_, false, __ATOMIC_SEQ_CST);
  faults_.End();
  DropAll(cache, /*reset=*/false);
  quota_.EndClose();
  while (shares_ != nullptr) {
    SubHeap* share = shares_;
    RemoveOwned(&shares_, share);
    share->Close();
  }
  return true;
}

void Arena::DropAll(SliceCache* cache, bool reset) {
  quota_.BeginDrop();
  // A thread keeps slices of the process only.
  if (ground_ != nullptr) cache = nullptr;
  SubHeap* next;
  for (SubHeap* share = shares_; share != nullptr; share = next) {
    next = share->next;
    if (share->is_frozen()) {
      // In the child of a fork, of a thread that is not in it: whatever that
      // was doing, its slabs and regions stay as they are.
      RemoveOwned(&shares_, share);
    } else {
      share->DropAll(cache, reset);
    }
  }
  blocks_.DropAll(cache, poisons_);
  while (large_ != nullptr) {
    Slice* run = large_;
    RemoveOwned(&large_, run);
    PoisonsPages() ? runs_.FreePoisoned(run, kIsSecure && run->large.has_guard)
                   : runs_.Free(run);
  }
  while (huge_list_ != nullptr) {
    HugeMapping* mapping = huge_list_;
    RemoveOwned(&huge_list_, mapping);
    PoisonsPages() ? huge_.FreePoisoned(mapping) : huge_.Free(mapping);
  }
  // What frozen shares hold is nobody's any more.
  quota_.EndDrop();
  large_bytes_ = huge_bytes_ = 0;
  page_live_bytes_ = page_live_blocks_ = 0;
  frees_ = allocations_;
}

ArenaStats Arena::Stats(MayLook may_look) {
  MutexLock lock(mutex_);
  NotePeak();
  ArenaStats stats = {};
  memcpy(stats.name, name_, sizeof(stats.name));
  stats.live_blocks = allocations_ - frees_;
  stats.live_bytes = LiveBytes();
  stats.peak_live_bytes = peak_live_bytes_;
  stats.allocations = allocations_;
  stats.frees = frees_;
  stats.region_bytes = blocks_.region_bytes();
  stats.large_bytes = large_bytes_;
  stats.huge_bytes = huge_bytes_;
  for (const HugeMapping* mapping = huge_list_; mapping != nullptr;
       mapping = mapping->next) {
    ++stats.huge_blocks;
  }
  stats.free_block_bytes = blocks_.free_bytes();
  for (SubHeap* share = shares_; share != nullptr; share = share->next) {
    if (may_look(share->token())) {
      share->AddStats(&stats);
    } else {
      share->AddPublishedStats(&stats);
    }
  }
  // Of others' shares it is what they published last: never more than is held.
  if (token_ != 0 && !quota_.counts_blocks()) {
    const size_t own = quota_.own_bytes();
    const size_t pages = Min(large_bytes_ + huge_bytes_, own);
    stats.region_bytes = Min(stats.region_bytes, uint64_t{own - pages});
  }
  // What shares have just taken in may have returned a charge.
  StoreQuota(quota_, &stats);
  stats.resets = resets();
  return stats;
}

ArenaStats Arena::PeekStats() const ABSL_NO_THREAD_SAFETY_ANALYSIS {
  // Whoever goes from one list to another must not lead this in a circle.
  constexpr int kMostShares = 1 << 20;
  ArenaStats stats = {};
  for (size_t i = 0; i < kMaxArenaName; ++i) stats.name[i] = Peek(name_[i]);
  stats.allocations = Peek(allocations_);
  stats.frees = Min(Peek(frees_), stats.allocations);
  stats.live_blocks = stats.allocations - stats.frees;
  const uint64_t page_blocks =
      Min(Peek(page_live_blocks_), size_t{stats.live_blocks});
  stats.live_bytes = Peek(page_live_bytes_) +
                     blocks_.PeekLiveBytes(stats.live_blocks - page_blocks);
  stats.peak_live_bytes = Max(Peek(peak_live_bytes_), stats.live_bytes);
  stats.region_bytes = blocks_.PeekRegionBytes();
  stats.large_bytes = Peek(large_bytes_);
  stats.huge_bytes = Peek(huge_bytes_);
  stats.free_block_bytes = blocks_.PeekFreeBytes();
  StoreQuota(quota_, &stats);
  stats.resets = resets();
  const SubHeap* share = Peek(shares_);
  for (int i = 0; share != nullptr && i < kMostShares; ++i) {
    share->PeekStats(&stats);
    share = Peek(share->next);
  }
  return stats;
}

bool Arena::CheckInvariants(MayLook may_look, BrokenInvariant* broken) {
  MutexLock lock(mutex_);
  size_t live_bytes = 0;
  size_t live_blocks = 0;
  if (!blocks_.Check(&live_bytes, &live_blocks, broken) ||
      !CheckPages(&live_bytes, &live_blocks, broken)) {
    return false;
  }
  if (live_bytes != LiveBytes() || live_blocks != allocations_ - frees_) {
    return broken->Is("wrong count of live blocks", this);
  }
  return CheckShares(may_look, broken);
}

// Runs and mappings that are one block each.
bool Arena::CheckPages(size_t* live_bytes, size_t* live_blocks,
                       BrokenInvariant* broken) {
  size_t large_bytes = 0;
  for (Slice* run = large_; run != nullptr; run = run->next) {
    if (!IsLiveLarge(run)) {
      return broken->Is("large block of another owner", runs_.AddressOf(run));
    }
    large_bytes += run->run_slices * kSliceSize;
    *live_bytes += run->large.usable_pages * kPageSize;
    ++*live_blocks;
  }
  size_t huge_bytes = 0;
  for (HugeMapping* mapping = huge_list_; mapping != nullptr;
       mapping = mapping->next) {
    if (mapping->owner != this) {
      return broken->Is("huge block of another owner", mapping->start);
    }
    huge_bytes += mapping->bytes;
    *live_bytes += mapping->bytes;
    ++*live_blocks;
  }
  return (large_bytes == large_bytes_ && huge_bytes == huge_bytes_) ||
         broken->Is("lost large block", this);
}

// What is held adds up only if every share may be looked into.
bool Arena::CheckShares(MayLook may_look, BrokenInvariant* broken) {
  size_t held = blocks_.region_bytes() + large_bytes_ + huge_bytes_;
  bool saw_all = token_ != 0;
  for (SubHeap* share = shares_; share != nullptr; share = share->next) {
    if (!may_look(share->token()) || share->is_frozen()) {
      saw_all = false;
    } else if (!share->CheckInvariants(broken)) {
      return false;
    } else {
      held += share->held_bytes();
    }
  }
  if (quota_.counts_blocks()) held = LiveBytes();
  // Nothing more is on its way back after this, as the lock is held.
  const size_t returning = returning_bytes_.load(std::memory_order_acquire);
  const size_t own = quota_.own_bytes();
  return !saw_all || (held <= own && own - held <= returning) ||
         broken->Is("charge that is not what is held", this);
}

}  // namespace myonly::internal
