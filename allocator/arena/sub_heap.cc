#include "allocator/arena/sub_heap.h"

#include <cstring>

#include "allocator/base/check.h"
#include "allocator/base/clock.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/zeroed_memory.h"

namespace myonly::internal {
namespace {

// Between two resets.
constexpr uint64_t kFewRequests = 256;

// Objects that went back unused were taken off, and are not known to be back
// yet: below 0 is none.
uint64_t KnownFrees(uint64_t frees, uint64_t allocations) {
  return static_cast<int64_t>(frees) < 0 ? 0 : Min(frees, allocations);
}

}  // namespace

SubHeap::SubHeap(Arena& arena, RunPool& runs, HugeMappings& huge,
                 uint64_t (*seed)(), uintptr_t token, SliceCache* cache)
    : ShareFront{kNoArena, {}},
      arena_(arena),
      runs_(runs),
      huge_(huge),
      cache_(cache),
      token_(token),
      blocks_({runs, arena.quota(), cache}, huge, seed, RunKind::kSubHeapRegion,
              this, &quick_),
      slabs_({runs, arena.quota(), cache}, this, token, InZeroedMemory()),
      quick_(InZeroedMemory()) {
  for (Object*& list : lists) list = slabs_.end();
}

void SubHeap::MoveLists(Object** to) {
  if (to == lists_) return;
  for (size_t i = 0; i < kNumSizeClasses; ++i) {
    to[i] = lists_[i];
    lists_[i] = slabs_.end();
  }
  lists_ = to;
}

void SubHeap::Open(uintptr_t arena_handle) {
  quick_.set_requests(0);
  block_frees_ = 0;
  peak_live_bytes_ = allocations_before_ = 0;
  slabs_.ResetCounters();
  Publish();
  handle = arena_handle;
}

void SubHeap::DropAll(SliceCache* cache, bool reset) {
  posted_.Clear();
  const uint64_t few = allocations_before_ + kFewRequests;
  const bool keeps = reset && cache == cache_;
  slabs_.DropAll(
      lists_, cache,
      {keeps ? uintptr_t{handle} : 0, few - Min(few, quick_.requests())});
  blocks_.DropAll(cache);
  block_frees_ = quick_.requests();
  // After few requests it is small again: what is not wanted much needs no
  // slab.
  allocations_before_ = slabs_.taken() + quick_.requests();
  was_busy_ = allocations_before_ >= few;
  if (!was_busy_) {
    memset(requests_, 0, sizeof(requests_));
    region_requests_ = 0;
  }
  Publish();
}

void* SubHeap::Allocate(size_t size, size_t alignment, Status* status) {
  TakeInSome();
  if (size > kMaxBlockRequest || !BlockHeap::Serves(size, alignment)) {
    void* ptr = arena_.AllocateAligned(size, alignment, status);
    if (ptr != nullptr || *status != Status::kQuota) return ptr;
    ReleaseSpare();
    return arena_.AllocateAligned(size, alignment, status);
  }
  // Objects whose size is a multiple of the alignment are aligned.
  const size_t bytes = AlignUp(Max(size, 1), alignment);
  if (bytes <= kMaxSlabRequest &&
      (alignment == kMinAlignment || HasSlabFor(bytes))) {
    void* object = AllocateSmall(bytes);
    if (ABSL_PREDICT_TRUE(object != nullptr)) return object;
  }
  void* ptr = AllocateBlockQuick(size, alignment);
  if (ABSL_PREDICT_TRUE(ptr != nullptr)) return ptr;
  return AllocateBlockSlow(size, alignment, status);
}

void* SubHeap::TakeListed(size_t size_class) {
  Object*& list = lists_[size_class];
  void* object = Slab::TakeFirst(&list, token_);
  if (ABSL_PREDICT_FALSE(object == nullptr && !Slab::IsEnd(list))) {
    ReportAndAbort("overwritten free object", list);
  }
  return object;
}

void* SubHeap::AllocateSmall(size_t bytes) {
  const size_t size_class = SizeClassFor(bytes);
  void* object = TakeListed(size_class);
  if (ABSL_PREDICT_FALSE(object != nullptr)) return object;
  if (!kIsSecure &&
      ABSL_PREDICT_FALSE(requests_[size_class] < kRequestsBeforeSlab)) {
    ++requests_[size_class];
    return nullptr;
  }
  OnSlowPath();
  Status status;  // a block may still fit somewhere
  const size_t slab_bytes = slabs_.slab_bytes();
  Object* list = Refill(size_class, &status);
  if (slabs_.slab_bytes() != slab_bytes) news_ |= kGrown;
  if (ABSL_PREDICT_FALSE(list == nullptr)) return nullptr;
  lists_[size_class] = list;
  return TakeListed(size_class);
}

void* SubHeap::AllocateBlockSlow(size_t size, size_t alignment,
                                 Status* status) {
  void* ptr = blocks_.AllocateFree(size, alignment);
  if (ABSL_PREDICT_FALSE(ptr == nullptr)) {
    if (blocks_.region_bytes() == 0 &&
        region_requests_ < kRequestsBeforeRegion) {
      ++region_requests_;
      return arena_.AllocateAligned(size, alignment, status);
    }
    ptr = blocks_.Grow(size, alignment, status);
    news_ |= kGrown;
    if (ABSL_PREDICT_FALSE(ptr == nullptr)) {
      // At the arena's limit, and where memory is short, it gives back what it
      // keeps free, and then takes what the arena has.
      ReleaseSpare();
      cache_->Release(runs_);
      ptr = blocks_.AllocateFree(size, alignment);
      if (ptr == nullptr) ptr = blocks_.Grow(size, alignment, status);
      if (ptr == nullptr) {
        return arena_.AllocateAligned(size, alignment, status);
      }
    }
  }
  quick_.NoteRequest();
  OnSlowPath();
  return ptr;
}

bool SubHeap::LookAtClock() {
  NextLookAfter(slow_paths_each_);
  if (IsQuiet() && slow_paths_ >= kQuietSlowPaths) SetQuiet(false);
  ReleaseIfAsked();
  const uint64_t now = CoarseMs();
  if (ABSL_PREDICT_FALSE(now - decay_ms_ >= kDecayIntervalMs)) {
    Decay(now);
  } else if (held_bytes() !=
             published_.region_bytes.load(std::memory_order_relaxed)) {
    Publish();
  }
  return (news_ & kTicked) != 0;
}

void SubHeap::LookAfterFrees() {
  NextLookAfter(1);
  ReleaseIfAsked();
  frees_alone_ = slow_paths_ == slow_paths_then_ ? frees_alone_ + frees_ : 0;
  slow_paths_then_ = slow_paths_;
  frees_ = 0;
  const uint64_t now = CoarseMs();
  attention_ms_ = now + kAttentionMs;
  if (now - decay_ms_ >= kDecayIntervalMs) Decay(now);
  if (frees_alone_ >= kFreesAlone) SetQuiet(true);
}

void SubHeap::Decay(uint64_t now_ms) {
  const uint64_t elapsed = now_ms - decay_ms_;
  const bool is_quiet = slow_paths_ < kQuietSlowPaths;
  decay_ms_ = now_ms;
  slow_paths_ = 0;
  Publish();
  blocks_.Decay(now_ms);
  cache_->Decay(runs_, now_ms);
  huge_.PurgeWithTime(now_ms);
  const bool sweeps = PurgeIdle(now_ms, elapsed);
  const bool more = runs_.PurgeWithTime(now_ms) || sweeps || more_elsewhere_ ||
                    now_ms < attention_ms_ || slabs_.HasWaiting();
  news_ |= kTicked;
  SetQuiet(is_quiet && more);
  // What it counted may be of before it freed much.
  if (now_ms < attention_ms_) NextLookAfter(1);
}

bool SubHeap::MayGrowIfShort(size_t size_class) {
  const Object* object = lists_[size_class];
  for (size_t i = 0; i < kEnoughListed && !Slab::IsEnd(object); ++i) {
    object = object->next;
  }
  uint8_t& count = handed_back_[size_class];
  if (Slab::IsEnd(object)) return count != 0;
  --count;
  return false;
}

void SubHeap::SetQuiet(bool is_quiet) {
  if (is_quiet == IsQuiet()) return;
  if (is_quiet) ReturnLists();
  slow_paths_each_ = is_quiet ? 1 : kSlowPathsPerLook;
  NextLookAfter(slow_paths_each_);
  slabs_.set_takes_few(is_quiet);
  blocks_.set_is_quiet(is_quiet);
}

bool SubHeap::PurgeIdle(uint64_t now_ms, uint64_t elapsed_ms) {
  if (!is_sweeping_) {
    if (now_ms - epoch_ms_ < kEpochMs) return false;
    epoch_ms_ = now_ms;
    slabs_.BeginEpoch();
    blocks_.BeginEpoch();
  }
  const bool is_quiet = IsQuiet();
  const size_t slabs = is_quiet
                           ? Min(elapsed_ms * kQuietSlabsPerMs, kMaxQuietSlabs)
                           : Min(elapsed_ms * kSlabsPerMs, kMaxSlabs);
  is_sweeping_ = slabs_.Sweep(slabs);
  if (blocks_.PurgeIdle(slabs * kBlocksPerSlab, /*at_once=*/false)) {
    is_sweeping_ = true;
  }
  return is_sweeping_;
}

void SubHeap::TakeIn(size_t chains) {
  RemoteChain chain;
  for (size_t i = 0; i < chains; ++i) {
    Object* first = posted_.First();
    if (first == nullptr) return;
    Slice* slice = runs_.Find(first);
    if (ABSL_PREDICT_FALSE(slice == nullptr || slice->owner != this ||
                           !posted_.Pop(&chain))) {
      ReportAndAbort("overwritten free object", first);
    }
    if (slice->kind == RunKind::kSlab) {
      if (kChecksObjects &&
          ABSL_PREDICT_FALSE(first->mark != token_ ||
                             chain.last->mark != token_ ||
                             chain.count > slice->slab.capacity)) {
        ReportAndAbort("overwritten free object", first);
      }
      slabs_.FreeChain(slice, first, chain.last, chain.count);
    } else {
      blocks_.FreePosted(slice, chain.first);
      ++block_frees_;
    }
  }
}

void SubHeap::ReturnLists() {
  for (size_t i = 0; i < kNumSizeClasses; ++i) {
    slabs_.Return(lists_[i]);
    lists_[i] = slabs_.end();
  }
}

void SubHeap::ReleaseIfAsked() {
  if (ABSL_PREDICT_TRUE(!is_asked())) return;
  ReleaseSpare();
  Publish();
}

void SubHeap::ReleaseSpare(size_t keep_bytes) {
  is_asked_.store(false, std::memory_order_relaxed);
  TakeInAll();
  ReturnLists();
  slabs_.ReleaseEmpty();
  blocks_.FlushQuickLists(keep_bytes);
  blocks_.FreeSpareRegion();
}

bool SubHeap::Reclaim() {
  if (posted_.empty()) return false;
  TakeIn(kMaxTakenIn);
  if (posted_.empty()) ReleaseSpare();
  Publish();
  return true;
}

size_t SubHeap::PurgeTo(size_t* keep_bytes) {
  ReleaseSpare(*keep_bytes);
  const size_t purged =
      blocks_.PurgeTo(keep_bytes) + slabs_.SweepAll(keep_bytes);
  Publish();
  return purged;
}

bool SubHeap::PurgeStep() {
  if (!is_sweeping_) {
    ReleaseSpare();
    Publish();
    slabs_.AgeAll();
    blocks_.BeginEpoch();
  }
  is_sweeping_ = slabs_.Sweep(kMaxSlabs);
  if (blocks_.PurgeIdle(kMaxSlabs * kBlocksPerSlab, /*at_once=*/true)) {
    is_sweeping_ = true;
  }
  return is_sweeping_;
}

void SubHeap::Publish() {
  const uint64_t blocks = quick_.requests() - block_frees_;
  const uint64_t live = slabs_.used_bytes() + blocks_.LiveBytes(blocks);
  const size_t held = slabs_.slab_bytes() + blocks_.region_bytes();
  peak_live_bytes_ = Max(peak_live_bytes_, live);
  const auto set = [](std::atomic<uint64_t>& to, uint64_t value) {
    to.store(value, std::memory_order_relaxed);
  };
  set(published_.allocations, slabs_.taken() + quick_.requests());
  set(published_.frees, slabs_.known_back() + block_frees_);
  set(published_.live_bytes, live);
  set(published_.peak_live_bytes, peak_live_bytes_);
  set(published_.region_bytes, held);
  set(published_.free_bytes,
      slabs_.slab_bytes() - slabs_.used_bytes() + blocks_.free_bytes());
}

void SubHeap::AddPublishedStats(ArenaStats* stats) const {
  const auto get = [](const std::atomic<uint64_t>& from) {
    return from.load(std::memory_order_relaxed);
  };
  const uint64_t allocations = get(published_.allocations);
  const uint64_t frees = KnownFrees(get(published_.frees), allocations);
  stats->allocations += allocations;
  stats->frees += frees;
  stats->live_blocks += allocations - frees;
  stats->live_bytes += get(published_.live_bytes);
  stats->peak_live_bytes += get(published_.peak_live_bytes);
  stats->region_bytes += get(published_.region_bytes);
  stats->free_block_bytes += get(published_.free_bytes);
}

void SubHeap::AddStats(ArenaStats* stats) {
  TakeInAll();
  size_t objects = 0;
  size_t object_bytes = 0;
  slabs_.CountUsed(&objects, &object_bytes);
  size_t listed = 0;
  for (size_t i = 0; i < kNumSizeClasses; ++i) {
    for (Object* object = lists_[i]; !Slab::IsEnd(object);
         object = object->next) {
      ++listed;
      object_bytes -= ObjectBytes(i);
    }
  }
  objects -= listed;
  const uint64_t blocks = quick_.requests() - block_frees_;
  const uint64_t allocations = slabs_.taken() - listed + quick_.requests();
  const uint64_t live_bytes = object_bytes + blocks_.LiveBytes(blocks);
  peak_live_bytes_ = Max(peak_live_bytes_, live_bytes);
  stats->allocations += allocations;
  stats->frees += allocations - objects - blocks;
  stats->live_blocks += objects + blocks;
  stats->live_bytes += live_bytes;
  stats->peak_live_bytes += peak_live_bytes_;
  stats->region_bytes += slabs_.slab_bytes() + blocks_.region_bytes();
  stats->free_block_bytes +=
      slabs_.slab_bytes() - object_bytes + blocks_.free_bytes();
}

void SubHeap::PeekStats(ArenaStats* stats) const {
  const uint64_t block_allocations = quick_.PeekRequests();
  const uint64_t block_frees = Min(Peek(block_frees_), block_allocations);
  const uint64_t blocks = block_allocations - block_frees;
  const uint64_t allocations = slabs_.PeekTaken() + block_allocations;
  const uint64_t frees =
      KnownFrees(slabs_.PeekKnownBack() + block_frees, allocations);
  const size_t slab_bytes = slabs_.PeekSlabBytes();
  const size_t used_bytes = Min(slabs_.PeekUsedBytes(), slab_bytes);
  const size_t live_bytes = used_bytes + blocks_.PeekLiveBytes(blocks);
  stats->allocations += allocations;
  stats->frees += frees;
  stats->live_blocks += allocations - frees;
  stats->live_bytes += live_bytes;
  stats->peak_live_bytes += Max(Peek(peak_live_bytes_), live_bytes);
  stats->region_bytes += slab_bytes + blocks_.PeekRegionBytes();
  stats->free_block_bytes += slab_bytes - used_bytes + blocks_.PeekFreeBytes();
}

bool SubHeap::CheckInvariants(BrokenInvariant* broken) {
  TakeInAll();
  size_t live_bytes = 0;
  size_t live_blocks = 0;
  if (!slabs_.Check(broken) || !CheckLists(broken) ||
      !blocks_.Check(&live_bytes, &live_blocks, broken)) {
    return false;
  }
  // What others have marked since, and may not have posted yet, is not live.
  const uint64_t out = quick_.requests() - block_frees_;
  return live_blocks < out ||
         (live_blocks == out && live_bytes == blocks_.LiveBytes(out)) ||
         broken->Is("wrong count of live blocks", this);
}

// The lists of objects; links may have been overwritten.
bool SubHeap::CheckLists(BrokenInvariant* broken) const {
  for (size_t i = 1; i < kNumSizeClasses; ++i) {
    // All objects of a list are of one slab, but for those of a short one.
    size_t left = SlabCapacity(i);
    for (const Object* object = lists_[i]; !Slab::IsEnd(object);
         object = object->next) {
      const Slice* slab = runs_.Find(object);
      if (left-- == 0 || slab == nullptr || slab->kind != RunKind::kSlab ||
          slab->owner != this || slab->slab.size_class != i ||
          !Slab::IsObject(slab, object) ||
          (kChecksObjects && object->mark != token_)) {
        return broken->Is("overwritten free object", object);
      }
    }
  }
  return true;
}

}  // namespace myonly::internal
