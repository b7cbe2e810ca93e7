#include "allocator/arena/block_heap.h"

#include <cstring>

#include "allocator/arena/owner_list.h"
#include "allocator/base/check.h"
#include "allocator/base/treap.h"

namespace myonly::internal {
namespace {

constexpr char kOverwrittenHeader[] = "overwritten header";
constexpr size_t kMaxRegionBytes = size_t{256} << 10;
constexpr size_t kLeastBufferBytes = 2 * kPageSize;
// With so many regions a new one is populated as a whole.
constexpr size_t kRegionsForWhole = 16;
constexpr uint64_t kQuickDecayMs = 500;
// What quick lists held was coalesced for want of a block or of room so often:
// blocks come and go in more sizes than are kept.
constexpr uint8_t kFlushesPerStep = 16;
// A block that was coalesced, and is cut off again, costs some 200 instructions
// more than one from a list: to save them in one request of so many, and fewer,
// is not worth the memory.
constexpr uint64_t kRequestsPerFlushed = 16;
// One of so few, and lists may hold all that regions do: batches of one size.
constexpr uint64_t kRequestsForAll = 6;
constexpr size_t kFirstKeptBytes = size_t{64} << 10;
constexpr size_t kMaxKeptBytes = size_t{1} << 20;
constexpr size_t kBytesPerPurge = size_t{64} << 10;
constexpr size_t kBlocksWhileFreeing = 256;

// Purging less than this inside a free block costs more than it gives.
constexpr size_t kMinPurgeBlockBytes = 2 * kPageSize;

// A block that is aligned may lose this much before its payload.
size_t AlignedBlockBytes(size_t size, size_t alignment) {
  return RoundToQuick(Block::BytesFor(size)) + alignment + Block::kMinBytes;
}

}  // namespace

bool BlockHeap::Serves(size_t size, size_t alignment) {
  return size <= kMaxBlockRequest &&
         (alignment <= kMinAlignment ||
          (alignment <= kMaxBlockRequest &&
           AlignedBlockBytes(size, alignment) <= kMaxBlockRequest));
}

void* BlockHeap::AllocateFree(size_t size, size_t alignment) {
  const size_t bytes = Block::BytesFor(size);
  Block* block = alignment <= kMinAlignment
                     ? bins_.Allocate(bytes)
                     : bins_.AllocateAligned(bytes, alignment);
  if (ABSL_PREDICT_FALSE(block == nullptr)) return nullptr;
  if (quick_ != nullptr) quick_->NoteNew(block->size());
  return block->payload();
}

void* BlockHeap::Grow(size_t size, size_t alignment, Status* status) {
  const size_t block_bytes = AlignedBlockBytes(size, alignment);
  bool flushes = quick_bytes() >= Min(kept_bytes_, kMaxKeptBytes);
  for (;;) {
    const size_t waiting = quick_bytes();
    if (flushes && waiting != 0) {
      FlushQuickLists(0);
      NoteFlush();
    } else if (unopened_bytes_ != 0) {
      OpenMore(block_bytes);
    } else {
      const Status added = AddRegion(block_bytes);
      flushes = added != Status::kOk;
      if (ABSL_PREDICT_FALSE(flushes && waiting == 0)) {
        *status = added;
        return nullptr;
      }
    }
    void* ptr = AllocateFree(size, alignment);
    if (ptr != nullptr) return ptr;
  }
}

void BlockHeap::NoteFlush() {
  if (++flushes_ < kFlushesPerStep) return;
  flushes_ = 0;
  const uint64_t requests = quick_->requests() - requests_before_;
  const uint64_t flushed = flushed_blocks_;
  requests_before_ += requests;
  flushed_blocks_ = 0;
  if (requests >= kRequestsPerFlushed * flushed) return;
  if (purges_at_once_ || is_quiet_) return;
  const bool is_most = requests < kRequestsForAll * flushed;
  if (kept_bytes_ < Max(kMaxKeptBytes, is_most ? region_bytes_ : 0)) {
    kept_bytes_ = Max(kept_bytes_ * 2, kFirstKeptBytes);
  }
}

// Of a region that is opened for this block. Small blocks have a tag on each
// page. Larger ones may be buffers that are used at their beginning only, and
// each size opens about as many regions as it fills.
Growth BlockHeap::ExpectedGrowth(size_t block_bytes) const {
  if (block_bytes >= kLeastBufferBytes) return {};
  return {AlignDown(region_bytes_ / kRegionsForWhole, kPageSize),
          region_bytes_ >= Growth::kLeastDenseBytes};
}

// At a limit, or in memory of its own, the arena gives back what it keeps free,
// where memory is short the process does, before a region is refused.
Slice* BlockHeap::TakeRun(size_t slices, bool is_least, Growth growth,
                          Status* status) {
  growth.bytes_soon = Min(growth.bytes_soon, slices * kSliceSize);
  Slice* run = runs_.Allocate(slices, kind_, owner_, status, growth);
  if (ABSL_PREDICT_TRUE(run != nullptr)) return run;
  if (*status == Status::kQuota || !runs_.pool().GrowsFromSystem()) {
    FreeSpareRegion();
  } else if (!is_least || huge_.Purge(0) == 0) {
    return nullptr;
  }
  return runs_.Allocate(slices, kind_, owner_, status);
}

// Regions double with what there is, so that a small heap stays small; when
// that much can't be had, the least that serves.
Status BlockHeap::AddRegion(size_t block_bytes) {
  if (!bins_.has_key()) bins_.set_key(seed_());
  const size_t least_bytes = block_bytes + BinManager::kRegionOverhead;
  const size_t least = SlicesFor(least_bytes);
  const size_t want =
      Max(least, SlicesFor(Min(region_bytes_, kMaxRegionBytes)));
  Status status = Status::kOk;
  Slice* run = nullptr;
  // A small buffer is one region.
  const size_t all = region_bytes_ == 0 ? runs_.pool().BytesIfFew() : 0;
  if (ABSL_PREDICT_FALSE(all >= least_bytes)) {
    run = runs_.AllocateAtEnd(all, kind_, owner_, &status);
  }
  const Growth growth = ExpectedGrowth(block_bytes);
  if (run == nullptr) run = TakeRun(want, want == least, growth, &status);
  if (run == nullptr && want != least) {
    run = TakeRun(least, true, growth, &status);
  }
  if (run == nullptr) {
    run = runs_.AllocateAtEnd(least_bytes, kind_, owner_, &status);
  }
  if (run == nullptr) return status;
  char* start = runs_.pool().AddressOf(run);
  const size_t bytes = runs_.pool().BytesOf(run);
  size_t open = bytes;
  if (region_bytes_ == 0) {
    open = Min(bytes, AlignUp(least_bytes, kPageSize));
    unopened_ = start + open;
    unopened_bytes_ = bytes - open;
  }
  runs_.pool().ClearLive(run);
  PushOwned(&regions_, run);
  region_bytes_ += bytes;
  ++num_regions_;
  bins_.AddRegion(start, open);
  return Status::kOk;
}

// What doesn't serve the block, because too little is left, is free for others.
void BlockHeap::OpenMore(size_t block_bytes) {
  const size_t open_bytes = region_bytes_ - unopened_bytes_;
  const size_t more =
      Min(unopened_bytes_, Max(AlignUp(block_bytes, kPageSize), open_bytes));
  bins_.ExtendRegion(unopened_, more);
  unopened_ += more;
  unopened_bytes_ -= more;
}

bool BlockHeap::Free(const Slice* region, void* ptr) {
  const uint64_t word = bins_.LiveTag(ptr);
  Block* block = Block::FromPayload(ptr);
  if (ABSL_PREDICT_FALSE(word == 0 || !bins_.NextFollows(block, word))) {
    ReportBadFree(region, ptr);
    return false;
  }
  if (quick_ != nullptr) {
    if (quick_->Free(block, word, owner_)) return true;
    NoteFlush();
    FlushQuickLists(quick_->limit_bytes() / 4 * 3);
    if (ABSL_PREDICT_FALSE(purges_at_once_)) {
      PurgeWhileFreeing(Block::SizeIn(word));
    }
  }
  if (Block* whole = bins_.FreeAndCoalesce(block)) RegionIsFree(whole);
  return true;
}

// The owner may rewrite the tag at the same time and lose the mark, which only
// loses the second of two such frees.
bool BlockHeap::MarkPosted(const Slice* region, void* ptr) {
  if (ABSL_PREDICT_TRUE(bins_.LiveTag(ptr) != 0 &&
                        Block::FromPayload(ptr)->MarkQuick())) {
    return true;
  }
  ReportBadFree(region, ptr);
  return false;
}

void BlockHeap::FreePosted(const Slice* region, void* ptr) {
  Block* block = Block::FromPayload(ptr);
  if (ABSL_PREDICT_TRUE(quick_->FreePosted(block, key(), owner_))) return;
  block->Store(Block::WithoutQuick(block->Load()));
  Free(region, ptr);
}

bool BlockHeap::Resize(const Slice* region, void* ptr, size_t size) {
  Block* block = Block::FromPayload(ptr);
  const uint64_t word = bins_.LiveTag(ptr);
  if (ABSL_PREDICT_FALSE(word == 0 || !bins_.NextFollows(block, word))) {
    ReportBadBlock(region, ptr);
  }
  if (size > kMaxBlockRequest) return false;
  const size_t bytes = Block::BytesFor(size);
  while (!bins_.Resize(block, bytes)) {
    if (ABSL_PREDICT_TRUE(unopened_bytes_ == 0) || !IsBeforeUnopened(block)) {
      return false;
    }
    OpenMore(bytes);
  }
  return true;
}

bool BlockHeap::IsBeforeUnopened(Block* block) const {
  Block* next = block->Next();
  if (!next->Read().used) next = next->Next();
  return next->payload() == unopened_;
}

size_t BlockHeap::UsableSize(const Slice* region, void* ptr) const {
  const size_t size = SizeIfLive(ptr);
  if (size == 0) ReportBadBlock(region, ptr);
  return size;
}

void BlockHeap::FlushQuickLists(size_t keep_bytes) {
  if (quick_ == nullptr) return;
  const size_t limit =
      Max(QuickLists::kMinLimitBytes,
          purges_at_once_ ? 0 : Max(region_bytes_ / 2, kept_bytes_));
  quick_->set_limit_bytes(is_quiet_ ? 0 : limit);
  while (quick_->bytes() > keep_bytes) {
    ++flushed_blocks_;
    Block* whole = bins_.FreeAndCoalesce(quick_->TakeOldest(key(), owner_));
    if (whole != nullptr) RegionIsFree(whole);
  }
  flushed_since_decay_ = true;
}

void BlockHeap::Decay(uint64_t now_ms) {
  if (flushed_since_decay_) {
    flushed_since_decay_ = false;
    flush_ms_ = now_ms;
  } else if (now_ms - flush_ms_ >= kQuickDecayMs &&
             quick_bytes() > QuickLists::kMinLimitBytes) {
    kept_bytes_ = 0;
    FlushQuickLists(0);
    FreeSpareRegion();
  }
}

// Keeps this wholly free region and gives the one kept before back.
void BlockHeap::RegionIsFree(Block* whole) {
  if (spare_region_ != whole) FreeSpareRegion();
  spare_region_ = whole;
}

// Its first block may have been allocated from since.
void BlockHeap::FreeSpareRegion() {
  Block* first = spare_region_;
  spare_region_ = nullptr;
  if (first == nullptr) return;
  const BoundaryTag tag = Block::Unpack(bins_.CheckedWord(first));
  // Of a block whose tag was overwritten with zeros it would end too soon.
  const uint64_t next = bins_.CheckedWord(first->Next(tag.size));
  if (tag.used || Block::SizeIn(next) != 0) return;
  bins_.RemoveRegion(first);
  FreeRegion(runs_.pool().FindRun(runs_.pool().Find(first)));
}

void BlockHeap::FreeRegion(Slice* run) {
  if (idle_region_ == run) idle_region_ = run->next;
  if (unopened_bytes_ != 0 &&
      runs_.pool().FindRun(runs_.pool().Find(unopened_)) == run) {
    unopened_bytes_ = 0;
  }
  RemoveOwned(&regions_, run);
  region_bytes_ -= runs_.pool().BytesOf(run);
  --num_regions_;
  runs_.Free(run);
}

size_t BlockHeap::PurgeRegion(Slice* run, bool at_once, size_t* keep_bytes,
                              size_t* purged) {
  const auto purge = [this, purged](char* start, size_t bytes) {
    *purged += runs_.pool().PurgeInside(start, bytes);
  };
  return bins_.PurgeRegion(runs_.pool().AddressOf(run), kMinPurgeBlockBytes,
                           at_once, keep_bytes, purge);
}

bool BlockHeap::PurgeIdle(size_t blocks, bool at_once) {
  size_t purged = 0;
  size_t keep_bytes = 0;
  for (size_t walked = 0; idle_region_ != nullptr;) {
    if (walked >= blocks) return true;
    walked += PurgeRegion(idle_region_, at_once, &keep_bytes, &purged);
    idle_region_ = idle_region_->next;
  }
  return false;
}

void BlockHeap::set_is_quiet(bool is_quiet) {
  is_quiet_ = is_quiet;
  kept_bytes_ = 0;
  FlushQuickLists(is_quiet ? 0 : SIZE_MAX);
  if (is_quiet) quick_->set_limit_bytes(0);
}

void BlockHeap::PurgeWhileFreeing(size_t bytes) {
  freed_bytes_ += bytes;
  if (freed_bytes_ < kBytesPerPurge) return;
  freed_bytes_ = 0;
  if (idle_region_ == nullptr) BeginEpoch();
  PurgeIdle(kBlocksWhileFreeing, /*at_once=*/true);
}

size_t BlockHeap::PurgeTo(size_t* keep_bytes) {
  FlushQuickLists(*keep_bytes);
  FreeSpareRegion();
  *keep_bytes -= Min(*keep_bytes, quick_bytes());
  size_t purged = 0;
  for (Slice* run = regions_; run != nullptr; run = run->next) {
    PurgeRegion(run, /*at_once=*/true, keep_bytes, &purged);
  }
  return purged;
}

void BlockHeap::DropAll(SliceCache* cache, bool poisons) {
  if (regions_ == nullptr) return;
  // With another key no tag left in these pages passes for a live block's.
  bins_.Reset();
  if (quick_ != nullptr) quick_->Reset();
  if (!keeps_key_) bins_.set_key(MixBits(bins_.key()));
  spare_region_ = nullptr;
  while (Slice* run = regions_) {
    regions_ = run->next;
    if (ABSL_PREDICT_FALSE(keeps_key_)) {
      memset(runs_.pool().AddressOf(run), 0, runs_.pool().BytesOf(run));
    }
    if (ABSL_PREDICT_FALSE(poisons)) {
      runs_.FreePoisoned(run);
    } else {
      runs_.FreeTo(cache, run);
    }
  }
  idle_region_ = nullptr;
  region_bytes_ = num_regions_ = unopened_bytes_ = 0;
}

bool BlockHeap::HasAddress(const void* heap, const void* address) {
  const auto* self = static_cast<const BlockHeap*>(heap);
  const Slice* slice = self->runs_.pool().Find(address);
  return slice != nullptr && slice->kind == self->kind_ &&
         slice->owner == self->owner_;
}

bool BlockHeap::Check(size_t* live_bytes, size_t* live_blocks,
                      BrokenInvariant* broken) const {
  size_t region_bytes = 0;
  for (Slice* run = regions_; run != nullptr; run = run->next) {
    char* start = runs_.pool().AddressOf(run);
    if (run->kind != kind_ || run->owner != owner_) {
      return broken->Is("region of another owner", start);
    }
    region_bytes += runs_.pool().BytesOf(run);
    if (!bins_.CheckRegion(start, live_bytes, live_blocks, broken)) {
      return false;
    }
  }
  const BlockListCheck check = {key(), broken, HasAddress, this};
  if (!bins_.CheckBins(check) ||
      (quick_ != nullptr && !quick_->Check(check, owner_))) {
    return false;
  }
  return region_bytes == region_bytes_ || broken->Is("lost region", this);
}

// In the midst of a change the counters need not agree.
size_t BlockHeap::PeekLiveBytes(size_t blocks) const {
  const size_t held = PeekRegionBytes();
  const size_t live = held - Peek(num_regions_) * BinManager::kRegionOverhead -
                      PeekFreeBytes() - blocks * Block::kTagBytes;
  return live <= held ? live : 0;
}

const char* BlockHeap::WhyNotLive(const Slice* region, void* ptr) const {
  const Slice* run = runs_.pool().FindRun(region);
  if (run == nullptr) return "double free";
  char* start = runs_.pool().AddressOf(run);
  // What is before a region may fault.
  const bool has_tag =
      static_cast<char*>(ptr) - start >= ptrdiff_t{Block::kTagBytes};
  return has_tag && bins_.LiveTag(ptr) != 0 ? "double free"
                                            : bins_.Diagnose(start, ptr);
}

// Of the block at `*ptr`, which becomes the address that is to be named.
const char* BlockHeap::WhyBad(const Slice* region, void** ptr) const {
  const Slice* run = runs_.pool().FindRun(region);
  if (run == nullptr) return "double free";
  Block* block = Block::FromPayload(*ptr);
  const uint64_t word = bins_.LiveTag(*ptr);
  if (word != 0 && !bins_.NextFollows(block, word)) {
    Block* next = block->Next(Block::SizeIn(word));
    if (!next->IsSealed(key())) *ptr = next->payload();
    return kOverwrittenHeader;
  }
  return bins_.Diagnose(runs_.pool().AddressOf(run), *ptr);
}

void BlockHeap::ReportBadBlock(const Slice* region, void* ptr) const {
  const char* what = WhyBad(region, &ptr);
  ReportAndAbort(what, ptr);
}

void BlockHeap::ReportBadFree(const Slice* region, void* ptr) const {
  const char* what = WhyBad(region, &ptr);
  if (strcmp(what, kOverwrittenHeader) == 0) ReportAndAbort(what, ptr);
  ReportMisuse(what, ptr);
}

}  // namespace myonly::internal
