#include "allocator/arena/explain.h"

#include <cstring>

#include "allocator/arena/own_ground.h"
#include "allocator/arena/remote_free_queue.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/mutex.h"
#include "allocator/base/peek.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/blocks/bin_manager.h"
#include "allocator/blocks/block.h"
#include "allocator/blocks/block_reader.h"
#include "allocator/pages/look.h"
#include "allocator/slabs/slab_reader.h"

namespace myonly::internal {
namespace {

// What is looked at while the lock is held; a run of the arena counts as many.
constexpr size_t kMostSlices = 4096;
constexpr size_t kSlicesPerRun = 64;

constexpr size_t kPagesPerSlice = kSliceSize / kPageSize;

// Pages of [start, end) that can be purged when that is one free block, whose
// tag and links stay.
size_t WholePages(const char* start, const char* end) {
  const uintptr_t first =
      AlignUp(reinterpret_cast<uintptr_t>(start) + sizeof(Block), kPageSize);
  const uintptr_t last = AlignDown(reinterpret_cast<uintptr_t>(end), kPageSize);
  return first < last ? (last - first) / kPageSize : 0;
}

// Puts a candidate among the most wasteful ones.
template <typename T>
void Rank(T* list, const T& candidate) {
  T* last = list + Explanation::kMostShown - 1;
  if (candidate.wasted() <= last->wasted()) return;
  T* place = last;
  for (; place != list && place[-1].wasted() < candidate.wasted(); --place) {
    *place = place[-1];
  }
  *place = candidate;
}

// The live blocks of a region, and what lies between them.
class RegionPins {
 public:
  RegionPins(Explanation::PinningBlock* pins, const char* start)
      : pins_(pins), free_from_(start) {}

  // The next live block, whose tag is at `tag`.
  void Add(const char* tag, size_t usable_bytes) {
    RankLast(tag);
    free_from_ = live_ == 0 ? free_from_ : end_;
    tag_ = tag;
    end_ = tag + Block::kTagBytes + usable_bytes;
    ++live_;
  }
  // No more blocks before `end`. `run_bytes` go back with the only one.
  void End(const char* end, size_t run_bytes) {
    if (live_ != 1) return RankLast(end);
    Rank(pins_, {tag_ + Block::kTagBytes, usable(), run_bytes / kPageSize});
  }

 private:
  size_t usable() const {
    return static_cast<size_t>(end_ - tag_) - Block::kTagBytes;
  }
  // With it free, one free block would go from the live one before it to the
  // next one; as it is there is one on each side.
  void RankLast(const char* next) {
    if (live_ == 0) return;
    const size_t pages = WholePages(free_from_, next) -
                         WholePages(free_from_, tag_) - WholePages(end_, next);
    Rank(pins_, {tag_ + Block::kTagBytes, usable(), pages});
  }

  Explanation::PinningBlock* const pins_;
  const char* free_from_;
  const char* tag_ = nullptr;
  const char* end_ = nullptr;
  size_t live_ = 0;
};

// The live objects of a slab, by page.
class SlabPins {
 public:
  void Add(const char* object, size_t bytes) {
    const auto address = reinterpret_cast<uintptr_t>(object);
    const size_t first = PageOf(address);
    const size_t last = PageOf(address + bytes - 1);
    for (size_t page = first; page <= last; ++page) {
      ++live_[page];
      object_[page] = object;
    }
    ++all_;
  }
  void End(Explanation::PinningBlock* pins, size_t bytes) const {
    for (size_t page = 0; page < kPagesPerSlice; ++page) {
      if (live_[page] != 1) continue;
      size_t pages = 1;
      const char* object = object_[page];
      if (all_ == 1) {
        pages = kPagesPerSlice;
      } else if (page + 1 < kPagesPerSlice && live_[page + 1] == 1 &&
                 object_[page + 1] == object) {
        pages = 2;
      }
      Rank(pins, {object, bytes, pages});
      page += pages - 1;
      if (all_ == 1) return;
    }
  }
  size_t all() const { return all_; }

 private:
  static size_t PageOf(uintptr_t address) {
    return (address & (kSliceSize - 1)) / kPageSize;
  }

  size_t all_ = 0;
  uint32_t live_[kPagesPerSlice] = {};
  const char* object_[kPagesPerSlice] = {};
};

void AddParts(Explanation* to, const size_t* parts) {
  for (size_t i = 0; i < kNumParts; ++i) to->parts[i] += parts[i];
}

size_t SumOf(const Explanation& explanation) {
  size_t sum = 0;
  for (const size_t part : explanation.parts) sum += part;
  return sum;
}

}  // namespace

size_t Explanation::PinningBlock::wasted() const {
  const size_t all = pages * kPageSize;
  return all > bytes ? all - bytes : 0;
}

size_t Explanation::held_bytes() const {
  return SumOf(*this) - parts[kChildren];
}

HeapExplainer::HeapExplainer(Arena& arena, uintptr_t handle, Explanation* out)
    : arena_(arena), out_(*out), charged_before_(arena.quota().own_bytes()) {
  out->handle = handle;
}

Status HeapExplainer::Run() {
  for (bool is_done = false; !is_done;) {
    MutexLock lock(arena_.mutex_);
    const Look look;
    if (out_.handle != 0 &&
        (!arena_.is_open_ || arena_.token() != out_.handle)) {
      return Status::kStale;
    }
    is_done = NextRuns();
    if (!is_done) continue;
    memcpy(out_.name, arena_.name_, sizeof(out_.name));
    for (const HugeMapping* mapping = arena_.huge_list_; mapping != nullptr;
         mapping = mapping->next) {
      out_.parts[kLive] += mapping->bytes;
      out_.metadata_bytes += sizeof(HugeMapping);
      AddHolding(Explanation::kHugeMappings, mapping->bytes, 1, mapping->bytes);
    }
    for (const SubHeap* share = arena_.shares_; share != nullptr;
         share = share->next) {
      AddPosted(*share);
    }
  }
  return Status::kOk;
}

bool HeapExplainer::NextRuns() {
  for (size_t looked_at = 0; looked_at < kMostSlices; ++looked_at) {
    const Slice* slice = arena_.runs_.SliceAt(reservation_, slice_);
    if (slice == nullptr) {
      if (reservation_ == RunPool::kMaxReservations) return true;
      ++reservation_;
      slice_ = 0;
      continue;
    }
    RunKind kind;
    const RunOwner owner = PeekOwner(slice, &kind);
    // A run of several slices is seen at its first one.
    if (owner.arena == &arena_ && Peek(slice->head) == slice_ &&
        IsCharged(owner)) {
      looked_at += kSlicesPerRun;
      AddRun(slice, owner, kind);
    }
    ++slice_;
    ++num_slices_;
  }
  return false;
}

void HeapExplainer::AddRun(const Slice* run, const RunOwner& owner,
                           RunKind kind) {
  switch (kind) {
    case RunKind::kSlab:
      return AddSlab(run, owner);
    case RunKind::kLarge:
      return AddLarge(run);
    default:
      return AddRegion(run, owner);
  }
}

// What a thread had that was lost in a fork stays as it is when the arena is
// reset or closed, and is charged to nobody then.
bool HeapExplainer::IsCharged(const RunOwner& owner) const {
  if (owner.share == nullptr || out_.handle == 0 || !owner.share->is_frozen()) {
    return true;
  }
  const SubHeap* share = arena_.shares_;
  while (share != nullptr && share != owner.share) share = share->next;
  return share != nullptr;
}

void HeapExplainer::AddHolding(Explanation::Kind kind, size_t bytes,
                               size_t live_blocks, size_t live_bytes) {
  Explanation::Holding& holding = out_.holdings[kind];
  ++holding.count;
  holding.bytes += bytes;
  holding.live_blocks += live_blocks;
  holding.live_bytes += live_bytes;
}

void HeapExplainer::AddSlab(const Slice* slab, const RunOwner& owner) {
  char* start = arena_.runs_.PeekAddress(slab);
  const SlabReader reader(slab, start, owner.share);
  const size_t bytes = reader.object_bytes();
  if (bytes == 0) return;
  const size_t objects = reader.num_objects();
  const size_t capacity = SlabCapacity(reader.size_class());
  SlabPins pins;
  size_t clean = 0;
  for (size_t i = 0; i < objects; ++i) {
    if (reader.IsSwept(i)) {
      ++clean;
    } else if (reader.IsLive(i)) {
      pins.Add(reader.At(i), bytes);
    }
  }
  size_t live = pins.all();
  const size_t free = objects - clean - live;
  size_t listed = reader.NumListed();
  if (kChecksObjects) {
    listed = Min(listed, free);
  } else {
    listed = Min(listed, live);
    live -= listed;
  }
  if (!reader.IsSame()) return;
  size_t parts[kNumParts] = {};
  parts[kLive] = live * bytes;
  parts[kFreeObjects] = listed * bytes;
  parts[kThreadLists] = (objects - clean - live - listed) * bytes;
  parts[kClean] = clean * bytes;
  parts[kUncut] = (capacity - objects) * bytes;
  parts[kRounding] = kSliceSize - capacity * bytes;
  AddParts(&out_, parts);
  AddHolding(Explanation::kSlabs, kSliceSize, live, live * bytes);
  // Without marks nobody knows which ones are live.
  if (kChecksObjects) pins.End(out_.pins, bytes);
  Rank(out_.sparse, {start, kSliceSize, bytes, live, live * bytes});
}

void HeapExplainer::AddRegion(const Slice* run, const RunOwner& owner) {
  char* start = arena_.runs_.PeekAddress(run);
  const size_t run_bytes = arena_.runs_.BytesOf(run);
  BlockReader reader(start, run_bytes, owner.seal_key());
  // Up to here everything is in a part.
  const char* seen = start + Block::kTagBytes;
  RegionPins pins(out_.pins, seen);
  size_t live_blocks = 0;
  size_t parts[kNumParts] = {};
  while (reader.Next()) {
    const char* tag = reader.payload() - Block::kTagBytes;
    const size_t bytes = reader.usable_bytes() + Block::kTagBytes;
    parts[kUnaccounted] += static_cast<size_t>(tag - seen);
    seen = tag + bytes;
    if (reader.is_live()) {
      parts[kLive] += reader.usable_bytes();
      parts[kHeaders] += Block::kTagBytes;
      ++live_blocks;
      pins.Add(tag, reader.usable_bytes());
    } else if (reader.is_quick()) {
      parts[kThreadLists] += bytes;
    } else {
      const size_t whole = WholePages(tag, seen) * kPageSize;
      parts[reader.purged_bytes() != 0 ? kClean : kDirty] += whole;
      parts[kBins] += bytes - whole;
    }
  }
  RunKind kind;
  if (PeekOwner(run, &kind).name() != owner.name() ||
      arena_.runs_.BytesOf(run) != run_bytes) {
    return;
  }
  // The rest is a tag that ends it, and what is not open yet.
  const size_t rest = static_cast<size_t>(start + run_bytes - seen);
  if (reader.is_damaged() || rest < Block::kTagBytes) {
    parts[kUnaccounted] += rest;
    parts[kMetadata] = Block::kTagBytes;
  } else {
    parts[kMetadata] = BinManager::kRegionOverhead;
    parts[kUncut] += rest - Block::kTagBytes;
  }
  pins.End(seen, run_bytes);
  AddParts(&out_, parts);
  AddHolding(Explanation::kRegions, run_bytes, live_blocks, parts[kLive]);
  Rank(out_.sparse, {start, run_bytes, 0, live_blocks, parts[kLive]});
}

// The arena's lock is held.
void HeapExplainer::AddLarge(const Slice* run) {
  const size_t bytes = run->run_slices * kSliceSize;
  const size_t usable = run->large.usable_pages * kPageSize;
  out_.parts[kLive] += usable;
  out_.parts[kRounding] += bytes - usable;
  AddHolding(Explanation::kLargeRuns, bytes, 1, usable);
  Rank(out_.pins, {arena_.runs_.PeekAddress(run) + run->large.payload_offset,
                   usable, bytes / kPageSize});
}

void HeapExplainer::AddPosted(const SubHeap& share) {
  out_.metadata_bytes += sizeof(SubHeap);
  AddChain(share, share.PeekPosted().PeekHead());
  AddChain(share, share.PeekPosted().PeekTaken());
}

// Chains from `first` on, as long as they are what they should be: the owner
// may take them in, and use them again, at any time.
void HeapExplainer::AddChain(const SubHeap& share, const Object* first) {
  constexpr int kMostChains = 1 << 20;
  const Look look;
  for (int i = 0; first != nullptr && i < kMostChains; ++i) {
    const Slice* slice = arena_.runs_.Find(first);
    RunKind kind = RunKind::kNone;
    if (slice == nullptr || PeekOwner(slice, &kind).share != &share) return;
    size_t count;
    const Object* next = RemoteFreeQueue::PeekNext(first, &count);
    if (kind == RunKind::kSlab) {
      const size_t bytes = ObjectBytes(Peek(slice->slab.size_class));
      if (count * bytes > kSliceSize) return;
      posted_bytes_ += count * bytes;
    } else {
      posted_bytes_ +=
          Block::SizeIn(Block::FromPayload(const_cast<Object*>(first))->Peek());
    }
    first = next;
  }
}

void HeapExplainer::Finish() {
  // It may be another arena's place by now, and that be made.
  MutexLock lock(arena_.mutex_);
  // Both are seen as free and not in their slabs or bins: these are the ones
  // that are on the way.
  const size_t posted = Min(posted_bytes_, out_.parts[kThreadLists]);
  out_.parts[kThreadLists] -= posted;
  out_.parts[kRemoteQueues] = posted;

  Quota& quota = arena_.quota();
  out_.counts_blocks = quota.counts_blocks();
  out_.limit_bytes = quota.limit_bytes();
  size_t charged;
  const size_t own = quota.own_bytes(&charged);
  if (!out_.counts_blocks) {
    // More than is charged by now was there when it was looked at.
    const size_t seen = SumOf(out_);
    const size_t held = Max(seen, own >= seen ? own : charged_before_);
    out_.parts[kUnaccounted] += held - seen;
  }
  out_.parts[kChildren] = charged - own;
  out_.charged_bytes = out_.counts_blocks
                           ? out_.parts[kLive] + out_.parts[kChildren]
                           : SumOf(out_);
  AddMetadata();
}

void HeapExplainer::AddMetadata() {
  size_t run_bytes = 0;
  for (size_t i = 0; i < Explanation::kHugeMappings; ++i) {
    run_bytes += out_.holdings[i].bytes;
  }
  size_t slices = run_bytes / kSliceSize;
  size_t records = sizeof(Arena);
  if (const OwnGround* ground = arena_.ground()) {
    out_.given_free_bytes =
        num_slices_ * kSliceSize - arena_.runs_.missing_bytes() - run_bytes;
    slices = num_slices_;
    records = ground->is_metadata ? 0 : sizeof(OwnGround);
  }
  out_.metadata_bytes += slices * sizeof(Slice) + records;
}

}  // namespace myonly::internal
