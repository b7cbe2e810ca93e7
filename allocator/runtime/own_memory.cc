#include "allocator/runtime/own_memory.h"

#include <new>

#include "allocator/arena/heap_walk.h"
#include "allocator/base/check.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/pages/look.h"
#include "allocator/runtime/guarded_heap.h"
#include "allocator/runtime/process_globals.h"
#include "allocator/runtime/sampling.h"

namespace myonly::internal {

namespace {

// The arena in a block of which the address is; 0: none of the program.
ArenaHandle HostOf(const void* address) {
  const Arena* host =
      FindArenaAt(process_globals.runs, process_globals.huge, address);
  return host == nullptr ? 0 : host->PeekToken();
}

// In memory of this library, but in no live block.
bool IsFreed(void* buffer, size_t bytes) {
  ProcessGlobals& g = process_globals;
  if constexpr (kIsSecure) {
    GuardedBlock sampled;
    if (Sampling::Has(buffer)) {
      return !Sampling::BlockAt(buffer, &sampled) || !sampled.is_live;
    }
  }
  FoundBlock found = {};
  if (!FindBlock(g.runs, g.huge, buffer, &found)) {
    return g.runs.Find(buffer) != nullptr ||
           g.huge.HasFreed(static_cast<char*>(buffer), bytes);
  }
  if constexpr (kIsSecure) {
    BlockInfo block = {found.start, found.bytes, found.is_live, 0, 0};
    return !GuardedHeap::Correct(&block);
  }
  return !found.is_live;
}

}  // namespace

OwnRange* OwnMemory::NewRange() {
  OwnRange* range = spare_;
  if (range != nullptr) {
    spare_ = range->next;
    return range;
  }
  void* memory = metadata_.Allocate(sizeof(OwnRange));
  if (memory == nullptr) return nullptr;
  range = ::new (memory) OwnRange();
  range->next_record = records_.load(std::memory_order_relaxed);
  records_.store(range, std::memory_order_release);
  return range;
}

OwnRange* OwnMemory::FirstEndingBehind(const void* address) {
  return ranges_.FirstNot([address](const OwnRange& range) {
    return range.start + range.bytes <= static_cast<const char*>(address);
  });
}

bool OwnMemory::IsInUse(const void* start, size_t bytes) {
  const OwnRange* range = FirstEndingBehind(start);
  return range != nullptr &&
         range->start < static_cast<const char*>(start) + bytes;
}

Slice* OwnMemory::RefineSlow(const void* ptr, Slice* found) {
  const OwnGround* ground = Find(ptr);
  Slice* slice = ground == nullptr ? nullptr : ground->runs.Find(ptr);
  return slice == nullptr ? found : slice;
}

bool OwnMemory::HasIn(const void* start, size_t bytes) {
  MutexLock lock(mutex_);
  return IsInUse(start, bytes);
}

bool OwnMemory::Add(OwnGround* ground, void* start, size_t bytes,
                    bool is_reserved) {
  MutexLock lock(mutex_);
  OwnRange* range = IsInUse(start, bytes) ? nullptr : NewRange();
  if (range == nullptr) return false;
  range->start = static_cast<char*>(start);
  range->bytes = bytes;
  range->ground = ground;
  range->is_reserved = is_reserved;
  range->is_guest = HostOf(start) != 0;
  num_guests_.fetch_add(range->is_guest, std::memory_order_relaxed);
  range->left = range->right = nullptr;
  ranges_.Insert(*range);
  range->seen_bytes.store(bytes, std::memory_order_relaxed);
  range->seen_ground.store(ground, std::memory_order_relaxed);
  range->seen_start.store(range->start, std::memory_order_release);
  range->next = static_cast<OwnRange*>(ground->ranges);
  ground->ranges = range;
  return true;
}

bool OwnMemory::NoteReserved(void* ground, void* start, size_t bytes) {
  return process_globals.own.Add(static_cast<OwnGround*>(ground), start, bytes,
                                 /*is_reserved=*/true);
}

Status OwnMemory::CreateIn(void* buffer, size_t bytes,
                           const ArenaOptions& options, ArenaHandle* out) {
  const auto address = reinterpret_cast<uintptr_t>(buffer);
  if (buffer == nullptr || bytes < kMinBufferBytes ||
      bytes > UINTPTR_MAX - address) {
    return Status::kInvalid;
  }
  if (HasIn(buffer, bytes)) return Status::kBusy;
  if (IsFreed(buffer, bytes)) return Status::kInvalid;
  RunKind kind = RunKind::kLarge;
  RunOwner host;
  {
    const Look look;
    const Slice* slice = process_globals.runs.Find(buffer);
    if (slice != nullptr) host = PeekOwner(slice, &kind);
  }
  const uintptr_t start = AlignUp(address, alignof(OwnGround));
  auto* ground = ::new (reinterpret_cast<void*>(start))
      OwnGround(GivenPageSource(), huge_, seed_);
  const uintptr_t rest = start + sizeof(OwnGround);
  ground->runs.Adopt(reinterpret_cast<void*>(rest), address + bytes - rest);
  // In a block of ours: nothing here may pass for a part of its region.
  if (kind != RunKind::kLarge) {
    ground->arena.KeepSealsApart(host.seal_key());
  }
  if (!Add(ground, buffer, bytes, /*is_reserved=*/false)) {
    return Status::kNoMemory;
  }
  const Status status = registry_.CreateOwn(options, ground->arena, out);
  if (status != Status::kOk) GiveUp(ground);
  return status;
}

OwnGround* OwnMemory::NewGround() {
  MutexLock lock(mutex_);
  void* memory = spare_grounds_;
  if (memory == nullptr)
    return static_cast<OwnGround*>(metadata_.Allocate(sizeof(OwnGround)));
  spare_grounds_ = *static_cast<void**>(memory);
  return static_cast<OwnGround*>(memory);
}

Status OwnMemory::CreateOver(const PageFunctions& functions,
                             const ArenaOptions& options, ArenaHandle* out) {
  OwnGround* ground = NewGround();
  if (ground == nullptr) return Status::kNoMemory;
  ::new (ground)
      OwnGround(GivenPageSource(functions, &OwnMemory::NoteReserved, ground),
                huge_, seed_);
  ground->is_metadata = true;
  const Status status = registry_.CreateOwn(options, ground->arena, out);
  if (status != Status::kOk) GiveUp(ground);
  return status;
}

size_t OwnMemory::BytesOf(const OwnGround& ground) {
  MutexLock lock(mutex_);
  size_t bytes = 0;
  for (const auto* range = static_cast<const OwnRange*>(ground.ranges);
       range != nullptr; range = range->next) {
    bytes += range->bytes;
  }
  return bytes;
}

void OwnMemory::Remove(OwnGround* ground) { GiveUp(ground); }

// The program's functions are called without the lock: they may allocate.
void OwnMemory::GiveUp(OwnGround* ground) {
  const bool is_metadata = ground->is_metadata;
  while (auto* range = static_cast<OwnRange*>(ground->ranges)) {
    ground->ranges = range->next;
    void* const start = range->start;
    const size_t bytes = range->bytes;
    const bool is_reserved = range->is_reserved;
    {
      MutexLock lock(mutex_);
      range->seen_start.store(nullptr, std::memory_order_release);
      num_guests_.fetch_sub(range->is_guest, std::memory_order_relaxed);
      ranges_.Remove(*range);
      range->next = spare_;
      spare_ = range;
    }
    if (is_reserved) ground->pages.Release(start, bytes);
  }
  if (!is_metadata) return;
  MutexLock lock(mutex_);
  *reinterpret_cast<void**>(ground) = spare_grounds_;
  spare_grounds_ = ground;
}

OwnGround* OwnMemory::Find(const void* address) {
  MutexLock lock(mutex_);
  const OwnRange* range = FirstEndingBehind(address);
  return range != nullptr && range->start <= static_cast<const char*>(address)
             ? range->ground
             : nullptr;
}

// A block may go from one arena to another: whose it is now, its address tells.
bool OwnMemory::HasGuestOf(ArenaHandle host) const {
  if (num_guests_.load(std::memory_order_relaxed) == 0) return false;
  for (const OwnRange* range = records_.load(std::memory_order_acquire);
       range != nullptr; range = range->next_record) {
    const char* start = range->seen_start.load(std::memory_order_acquire);
    if (start != nullptr && HostOf(start) == host) return true;
  }
  return false;
}

OwnGround* OwnMemory::PeekAt(const void* address) const {
  for (const OwnRange* range = records_.load(std::memory_order_acquire);
       range != nullptr; range = range->next_record) {
    const char* start = range->seen_start.load(std::memory_order_acquire);
    if (start == nullptr) continue;
    const size_t offset = reinterpret_cast<uintptr_t>(address) -
                          reinterpret_cast<uintptr_t>(start);
    if (offset < range->seen_bytes.load(std::memory_order_relaxed)) {
      return range->seen_ground.load(std::memory_order_relaxed);
    }
  }
  return nullptr;
}

}  // namespace myonly::internal
