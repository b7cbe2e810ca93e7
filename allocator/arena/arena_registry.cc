#include "allocator/arena/arena_registry.h"

#include <new>

#include "allocator/base/peek.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

Status ArenaRegistry::CreateWith(const ArenaOptions& options, Arena* own,
                                 ArenaHandle* out) {
  MutexLock lock(mutex_);
  ArenaOptions known = options;
  Arena* parent = nullptr;
  if (options.parent != 0) {
    const Status status = FindParent(options.parent, &known, &parent);
    if (status != Status::kOk) return status;
  }
  if (!Prepare()) return Status::kNoMemory;
  const size_t index = TakeSlot();
  if (index == 0) return Status::kNoMemory;
  Slot& slot = slots_[index];
  Arena* const arena = own != nullptr ? own : slot.recycled;
  if (!GiveExtras(arena->quota(), known)) {
    GiveSlotBack(index);
    return Status::kNoMemory;
  }
  *out = Pack(index, slot.generation.load(std::memory_order_relaxed));
  arena->set_token(*out);
  arena->Open(known, parent == nullptr ? nullptr : &parent->quota());
  // Who has found the slot live with an old handle may still read it.
  slot.arena.store(arena, std::memory_order_release);
  slot.live.store(true, std::memory_order_release);
  return Status::kOk;
}

// All arenas of a tree count the same.
Status ArenaRegistry::FindParent(ArenaHandle handle, ArenaOptions* options,
                                 Arena** parent) const {
  Status status;
  *parent = Find(handle, &status);
  if (*parent == nullptr) return status;
  const Quota& quota = (*parent)->quota();
  if (!quota.CanHaveChild()) return Status::kUnsupported;
  if (options->exact_bytes && !quota.counts_blocks()) {
    return Status::kUnsupported;
  }
  options->exact_bytes = quota.counts_blocks();
  return Status::kOk;
}

// It stays with the arena object, for those who have the slot later.
bool ArenaRegistry::GiveExtras(Quota& quota, const ArenaOptions& options) {
  if (quota.has_extras() ||
      (options.on_pressure == nullptr && options.reserve_bytes == 0)) {
    return true;
  }
  void* memory = metadata_.Allocate(sizeof(Quota::Extras));
  if (memory == nullptr) return false;
  quota.set_extras(::new (memory) Quota::Extras());
  return true;
}

void ArenaRegistry::GiveSlotBack(size_t index) {
  slots_[index].next_free = free_slot_;
  free_slot_ = static_cast<uint32_t>(index);
}

// Whose it is may change until its lock is held: then the arena looks again.
Status ArenaRegistry::MoveTo(ArenaHandle to, const Slice* slice,
                             HugeMapping* mapping, const void* ptr) {
  MutexLock lock(mutex_);
  Status status;
  Arena* target = Find(to, &status);
  if (target == nullptr) return status;
  const Holder from = slice != nullptr
                          ? HolderOf(slice)
                          : Holder{RunKind::kLarge, Peek(mapping->owner)};
  return from.kind != RunKind::kLarge || from.owner == nullptr
             ? Status::kInvalid
             : static_cast<Arena*>(from.owner)
                   ->MoveTo(*target, slice, mapping, ptr);
}

Status ArenaRegistry::SetLimit(ArenaHandle handle, void (Quota::*set)(size_t),
                               size_t bytes) {
  MutexLock lock(mutex_);
  Status status;
  Arena* arena = Find(handle, &status);
  if (arena == nullptr) return status;
  (arena->quota().*set)(bytes);
  return Status::kOk;
}

// The table is addresses only; a page of it is touched for every 128 arenas.
bool ArenaRegistry::Prepare() {
  if (slots_ != nullptr) return true;
  void* table =
      pages_.Reserve(AlignUp((kMaxArenas + 1) * sizeof(Slot), kPageSize),
                     kPageSize, PageSource::Access::kReadWrite);
  if (table == nullptr) return false;
  slots_ = static_cast<Slot*>(table);
  table_.store(slots_, std::memory_order_release);
  return true;
}

size_t ArenaRegistry::TakeSlot() {
  if (free_slot_ != 0) {
    const size_t index = free_slot_;
    free_slot_ = slots_[index].next_free;
    return index;
  }
  const size_t index = num_slots_.load(std::memory_order_relaxed) + 1;
  if (index > kMaxArenas) return 0;
  void* memory = metadata_.Allocate(sizeof(Arena));
  if (memory == nullptr) return 0;
  slots_[index].recycled =
      ::new (memory) Arena(Arena::Make(runs_, huge_, seed_));
  slots_[index].generation.store(1, std::memory_order_relaxed);
  num_slots_.store(index, std::memory_order_release);
  return index;
}

Arena* ArenaRegistry::Find(ArenaHandle handle, Status* status) const {
  const size_t index = SlotOf(handle);
  const uint64_t generation = handle >> 24;
  *status = Status::kInvalid;
  if ((handle & 15) != 0 || index == 0 || generation == 0 ||
      index > num_slots_.load(std::memory_order_acquire)) {
    return nullptr;
  }
  const Slot& slot = table_.load(std::memory_order_acquire)[index];
  uint64_t now = slot.generation.load(std::memory_order_acquire);
  // A slot between two arenas has the generation of the next one.
  if (generation == now && slot.live.load(std::memory_order_acquire))
    return slot.arena.load(std::memory_order_acquire);
  now = slot.generation.load(std::memory_order_acquire);  // destroyed meanwhile
  if (generation < now) *status = Status::kStale;
  return nullptr;
}

Arena* ArenaRegistry::NextLocked(size_t* slot) const {
  while (++*slot <= num_slots_.load(std::memory_order_relaxed)) {
    const Slot& next = slots_[*slot];
    if (next.live.load(std::memory_order_relaxed)) {
      return next.arena.load(std::memory_order_acquire);
    }
  }
  return nullptr;
}

Arena* ArenaRegistry::BeginVisit(size_t* slot) {
  MutexLock lock(mutex_);
  Arena* arena = NextLocked(slot);
  if (arena != nullptr) ++arena->visitors();
  return arena;
}

void ArenaRegistry::EndVisit(Arena* arena) {
  MutexLock lock(mutex_);
  --arena->visitors();
}

// A visitor may be in a page function of the program, which wants the lock.
Status ArenaRegistry::Destroy(ArenaHandle handle, bool require_empty,
                              SliceCache* cache) {
  for (;;) {
    bool has_visitors = false;
    const Status status =
        DestroyNow(handle, require_empty, cache, &has_visitors);
    if (!has_visitors) return status;
    SleepMs(1);
  }
}

Status ArenaRegistry::DestroyNow(ArenaHandle handle, bool require_empty,
                                 SliceCache* cache, bool* has_visitors) {
  MutexLock lock(mutex_);
  Status status;
  Arena* arena = Find(handle, &status);
  if (arena == nullptr) return status;
  *has_visitors = arena->visitors() != 0;
  if (*has_visitors || !arena->Close(require_empty, cache)) {
    return Status::kBusy;
  }
  const size_t index = SlotOf(handle);
  Slot& slot = slots_[index];
  // In this order: who finds it not live finds its handle stale.
  slot.generation.fetch_add(1, std::memory_order_release);
  slot.live.store(false, std::memory_order_release);
  GiveSlotBack(index);
  return Status::kOk;
}

}  // namespace myonly::internal
