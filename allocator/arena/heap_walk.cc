#include "allocator/arena/heap_walk.h"

#include "allocator/arena/sub_heap.h"
#include "allocator/base/mutex.h"
#include "allocator/base/peek.h"
#include "allocator/base/sizes.h"
#include "allocator/blocks/block_reader.h"
#include "allocator/pages/look.h"
#include "allocator/slabs/slab_reader.h"

namespace myonly::internal {

uintptr_t RunOwner::token() const {
  return share == nullptr ? 0 : share->PeekToken();
}

uint64_t RunOwner::seal_key() const {
  return share == nullptr ? arena->PeekSealKey() : share->PeekSealKey();
}

const void* RunOwner::name() const {
  return share == nullptr ? static_cast<const void*>(arena) : share;
}

RunOwner PeekOwner(const Slice* slice, RunKind* kind) {
  RunOwner owner;
  const Holder holder = HolderOf(slice);
  const void* name = holder.owner;
  *kind = holder.kind;
  switch (*kind) {
    case RunKind::kSlab:
    case RunKind::kSubHeapRegion:
      owner.share = static_cast<const SubHeap*>(name);
      owner.arena = owner.share->PeekArena();
      return owner;
    case RunKind::kRegion:
    case RunKind::kLarge:
      owner.arena = static_cast<const Arena*>(name);
      return owner;
    default:
      return owner;
  }
}

HeapWalk::HeapWalk(Arena& arena, uintptr_t handle, size_t least_bytes)
    : arena_(arena), handle_(handle), least_bytes_(least_bytes) {
  for (size_t i = 0; i < RunPool::kMaxReservations; ++i) {
    ends_[i] = arena.runs_.SlicesIn(i);
  }
}

size_t HeapWalk::Next(WalkedBlock* blocks, size_t room, Status* status) {
  blocks_ = blocks;
  room_ = room;
  count_ = 0;
  while (count_ == 0 && !is_done_) {
    MutexLock lock(arena_.mutex_);
    const Look look;
    if (handle_ != 0 && (!arena_.is_open_ || arena_.token() != handle_)) {
      *status = Status::kStale;
      return 0;
    }
    if (!runs_are_done_ && !NextRuns()) continue;
    NextMappings();
  }
  *status = is_damaged_ ? Status::kCorrupt : Status::kOk;
  return count_;
}

bool HeapWalk::NextRuns() {
  for (size_t looked_at = 0; looked_at < kMostSlices; ++looked_at) {
    if (reservation_ == RunPool::kMaxReservations) {
      runs_are_done_ = true;
      behind_ = nullptr;
      return true;
    }
    const Slice* slice = slice_ < ends_[reservation_]
                             ? arena_.runs_.SliceAt(reservation_, slice_)
                             : nullptr;
    if (slice == nullptr) {
      ++reservation_;
      slice_ = 0;
      behind_ = nullptr;  // addresses may be lower there
      continue;
    }
    if (!VisitRun(slice)) return false;
    ++slice_;
  }
  return false;
}

void HeapWalk::NextMappings() {
  char* start = nullptr;
  while (HugeMapping* mapping = arena_.huge_.FindAfter(behind_, &start)) {
    // Another owner's may be gone by now; its record is still there.
    if (Peek(mapping->owner) == &arena_ &&
        !Add(start, Peek(mapping->bytes), 0)) {
      return;
    }
    behind_ = start;
  }
  is_done_ = true;
}

bool HeapWalk::Add(void* start, size_t bytes, uintptr_t token) {
  if (bytes < least_bytes_) return true;
  if (count_ == room_) return false;
  blocks_[count_++] = {start, bytes, token};
  return true;
}

bool HeapWalk::VisitRun(const Slice* run) {
  RunKind kind;
  const RunOwner owner = PeekOwner(run, &kind);
  if (owner.arena != &arena_) return true;
  if (kind == RunKind::kSlab) return VisitSlab(run, owner);
  // A run of several slices is seen at its first one.
  if (Peek(run->head) != slice_) return true;
  if (kind != RunKind::kLarge) return VisitRegion(run, owner);
  char* start = arena_.runs_.PeekAddress(run) + run->large.payload_offset;
  // It came where blocks were visited; and what comes where it was, when it is
  // gone at the next look, must not overlap it either.
  if (start < behind_) return true;
  const size_t slices = Peek(run->run_slices);
  if (!Add(start, run->large.usable_pages * kPageSize, 0)) return false;
  slice_ += slices - 1;
  return true;
}

bool HeapWalk::VisitSlab(const Slice* slab, const RunOwner& owner) {
  char* start = arena_.runs_.PeekAddress(slab);
  const SlabReader reader(slab, start, owner.share);
  const size_t before = count_;
  char* const behind = behind_;
  const size_t bytes = reader.object_bytes();
  size_t index =
      behind <= start || bytes == 0
          ? 0
          : (static_cast<size_t>(behind - start) + bytes - 1) / bytes;
  bool has_room = true;
  for (; index < reader.num_objects() && has_room; ++index) {
    char* object = reader.At(index);
    if (!reader.IsLive(index)) continue;
    has_room = Add(object, bytes, owner.token());
    behind_ = has_room ? object + bytes : object;
  }
  if (reader.IsSame()) return has_room;
  count_ = before;
  behind_ = behind;
  return true;
}

bool HeapWalk::VisitRegion(const Slice* run, const RunOwner& owner) {
  BlockReader reader(arena_.runs_.PeekAddress(run), arena_.runs_.BytesOf(run),
                     owner.seal_key(), behind_);
  const size_t before = count_;
  char* const behind = behind_;
  bool has_room = true;
  while (has_room && reader.Next()) {
    if (!reader.is_live()) continue;
    char* payload = reader.payload();
    has_room = Add(payload, reader.usable_bytes(), owner.token());
    behind_ = has_room ? payload + reader.usable_bytes() : payload;
  }
  RunKind kind;
  if (PeekOwner(run, &kind).name() == owner.name() &&
      Peek(run->head) == slice_) {
    is_damaged_ = is_damaged_ || reader.is_damaged();
    return has_room;
  }
  count_ = before;
  behind_ = behind;
  return true;
}

// --- The block at an address. ---

namespace {

bool FindObject(const RunPool& runs, const Slice* slab, const RunOwner& owner,
                const char* address, FoundBlock* found) {
  char* start = runs.PeekAddress(slab);
  const SlabReader reader(slab, start, owner.share);
  if (reader.num_objects() == 0) return false;
  const size_t bytes = reader.object_bytes();
  const size_t index = static_cast<size_t>(address - start) / bytes;
  if (index >= SlabCapacity(reader.size_class())) return false;
  const bool is_live = index < reader.num_objects() && reader.IsLive(index);
  *found = {reader.At(index), bytes, is_live, owner.arena, owner.token()};
  return reader.IsSame();
}

bool FindInRegion(const RunPool& runs, const Slice* run, const RunOwner& owner,
                  const char* address, FoundBlock* found) {
  BlockReader reader(runs.PeekAddress(run), runs.BytesOf(run),
                     owner.seal_key());
  while (reader.Next()) {
    char* start = reader.payload();
    if (address >= start + reader.usable_bytes()) continue;
    *found = {start, reader.usable_bytes(), reader.is_live(), owner.arena,
              owner.token()};
    return address >= start;
  }
  return false;
}

}  // namespace

bool FindBlock(const RunPool& runs, const HugeMappings& huge,
               const void* address, FoundBlock* found) {
  const Look look;
  const char* wanted = static_cast<const char*>(address);
  const Slice* slice = runs.Find(address);
  if (slice == nullptr) {
    const HugeMapping* mapping = huge.PeekAt(address);
    if (mapping == nullptr) return false;
    const auto* arena = static_cast<const Arena*>(Peek(mapping->owner));
    *found = {mapping->seen_start.load(std::memory_order_acquire),
              Peek(mapping->bytes), true, arena, 0};
    return arena != nullptr;
  }
  RunKind kind;
  RunOwner owner = PeekOwner(slice, &kind);
  if (kind == RunKind::kSlab) {
    return FindObject(runs, slice, owner, wanted, found);
  }
  // The first slice tells whether a large run is still in use.
  const Slice* run = runs.HeadOf(slice);
  owner = PeekOwner(run, &kind);
  if (owner.arena == nullptr || kind == RunKind::kSlab) return false;
  if (kind != RunKind::kLarge) {
    return FindInRegion(runs, run, owner, wanted, found);
  }
  char* start = runs.PeekAddress(run) + Peek(run->large.payload_offset);
  const size_t bytes = Peek(run->large.usable_pages) * kPageSize;
  *found = {start, bytes, true, owner.arena, 0};
  return wanted >= start && wanted < start + bytes;
}

const Arena* FindArenaAt(const RunPool& runs, const HugeMappings& huge,
                         const void* address) {
  const Look look;
  const Slice* slice = runs.Find(address);
  if (slice == nullptr) {
    const HugeMapping* mapping = huge.PeekAt(address);
    return mapping == nullptr ? nullptr
                              : static_cast<const Arena*>(Peek(mapping->owner));
  }
  RunKind kind;
  const RunOwner owner = PeekOwner(slice, &kind);
  if (kind != RunKind::kLarge) return owner.arena;
  return PeekOwner(runs.HeadOf(slice), &kind).arena;
}

}  // namespace myonly::internal
