#include "allocator/runtime/debug_heap.h"

#include <cstring>

#include "absl/base/optimization.h"
#include "allocator/base/check.h"
#include "allocator/base/preset.h"
#include "allocator/base/printer.h"
#include "allocator/base/sizes.h"
#include "allocator/guard/backtrace.h"
#include "allocator/runtime/arena_life.h"
#include "allocator/runtime/debug_globals.h"
#include "allocator/runtime/leak_report.h"
#include "allocator/runtime/reentry.h"
#include "allocator/runtime/request_gate.h"

namespace myonly::internal {

// In the presets without a guard this file is empty.
#ifdef MYONLY_PRESET_SECURE

DebugGlobals debug_globals;

namespace {

DebugGlobals& d = debug_globals;

// Of a call of the allocator.
struct Caller {
  void* frames[StackDepot::kMaxFrames];
  size_t count = 0;

  ABSL_ATTRIBUTE_ALWAYS_INLINE Caller() {
    if (d.stack_depth != 0) count = CaptureStack(frames, d.stack_depth);
  }
};

enum class Origin : uint8_t { kProcess, kArena };
enum class Fill : uint8_t { kNone, kFresh };

void FillFresh(void* ptr, size_t start, size_t end) {
  end = Min(end, DebugHeap::kMaxFill);
  if (start >= end) return;
  memset(static_cast<char*>(ptr) + start, DebugHeap::kFreshByte, end - start);
}

bool IsFreedFill(const FreedQueue::Entry& entry) {
  const auto* bytes = static_cast<const unsigned char*>(entry.ptr);
  return entry.bytes == 0 || (bytes[0] == DebugHeap::kFreedByte &&
                              memcmp(bytes, bytes + 1, entry.bytes - 1) == 0);
}

// Looks at some of what waits. What was written to leaves the queue and is not
// used again.
FreedQueue::Entry FindSpoilt() ABSL_EXCLUSIVE_LOCKS_REQUIRED(d.mutex) {
  constexpr int kLooksPerCall = 2;
  for (int i = 0; i < kLooksPerCall; ++i) {
    FreedQueue::Entry* next = d.queue.Next();
    if (next == nullptr) return {};
    if (next->ptr == nullptr ||
        (IsFreedFill(*next) && GuardedHeap::IsIntact(next->ptr, next->bytes))) {
      continue;
    }
    const FreedQueue::Entry spoilt = *next;
    d.queue.Remove(next);
    return spoilt;
  }
  return {};
}

// Without the lock, as handlers of SIGABRT may allocate.
void ReportSpoilt(const FreedQueue::Entry& entry) {
  if (ABSL_PREDICT_TRUE(entry.ptr == nullptr)) return;
  ReportMisuse(IsFreedFill(entry) ? "write behind the end of a block"
                                  : "write to a free block",
               entry.ptr);
}

// `ptr` is a live block of `size` bytes from now on. NULL stays NULL.
void* NoteMade(void* ptr, size_t size, Origin origin, Fill fill) {
  if (ptr == nullptr) return nullptr;
  const Caller caller;
  FreedQueue::Entry spoilt;
  {
    MutexLock lock(d.mutex);
    spoilt = FindSpoilt();
    if (BlockRecord* record = d.history.Add(ptr)) {
      record->SetSize(size);
      record->is_live = true;
      record->is_of_arena = origin == Origin::kArena;
      record->is_of_new = false;
      record->made = d.depot.Add(caller.frames, caller.count);
      record->freed = 0;
    }
  }
  ReportSpoilt(spoilt);
  if (fill == Fill::kFresh) FillFresh(ptr, 0, size);
  return ptr;
}

enum class Found : uint8_t { kUnknown, kLive, kFreed };

// What is known of the block at `ptr`, which is freed by `caller` if it is
// live.
Found NoteFreed(void* ptr, const Caller& caller, BlockRecord* before) {
  MutexLock lock(d.mutex);
  BlockRecord* record = d.history.Find(ptr);
  if (record == nullptr) return Found::kUnknown;
  *before = *record;
  if (!record->is_live) return Found::kFreed;
  record->is_live = false;
  record->freed = d.depot.Add(caller.frames, caller.count);
  return Found::kLive;
}

// It was not freed after all, or not by the program.
void NoteKept(void* ptr, const BlockRecord& record) {
  MutexLock lock(d.mutex);
  if (BlockRecord* now = d.history.Find(ptr)) *now = record;
}

// It leaves the queue, for GuardedHeap's quarantine.
void Release(const FreedQueue::Entry& entry) {
  if (ABSL_PREDICT_TRUE(IsFreedFill(entry))) {
    return GuardedHeap::Free(entry.ptr);
  }
  ReportMisuse("write to a free block", entry.ptr);
}

FreedQueue::Entry TakeSurplus() {
  MutexLock lock(d.mutex);
  return d.queue.TakeSurplus();
}

void Enqueue(const FreedQueue::Entry& entry) {
  memset(entry.ptr, DebugHeap::kFreedByte, entry.bytes);
  FreedQueue::Entry leaving;
  FreedQueue::Entry spoilt;
  {
    MutexLock lock(d.mutex);
    spoilt = FindSpoilt();
    leaving = d.queue.Put(entry);
  }
  ReportSpoilt(spoilt);
  if (leaving.ptr != nullptr) Release(leaving);
  while ((leaving = TakeSurplus()).ptr != nullptr) Release(leaving);
}

// False: it was empty.
bool FlushQueue() {
  for (bool has_freed = false;; has_freed = true) {
    FreedQueue::Entry entry;
    {
      MutexLock lock(d.mutex);
      entry = d.queue.TakeOldest();
    }
    if (entry.ptr == nullptr) return has_freed;
    Release(entry);
  }
}

// Whether a request that has failed shall be made again, as memory that waited
// is free now. Not one that fails on purpose.
bool MayTryAgain() {
  return this_thread.gated == nullptr &&
         this_thread.last_status == Status::kNoMemory && FlushQueue();
}

// A block that NoteFreed has found live.
void FreeNoted(void* ptr, const BlockRecord& record) {
  // Blocks that come as pages have no canary to look at, and where something
  // was written behind the end it is reported at once. Blocks of no bytes have
  // none to fill.
  if (record.size != 0 && record.size <= kMaxBlockRequest &&
      !record.is_of_arena && GuardedHeap::IsIntact(ptr, record.size)) {
    return Enqueue({ptr, record.size});
  }
  GuardedHeap::Free(ptr);
}

}  // namespace

// --- Allocating. ---

void* DebugHeap::Allocate(size_t size) {
  const InCall call;
  void* ptr = GuardedHeap::Allocate(size);
  if (ABSL_PREDICT_FALSE(ptr == nullptr) && MayTryAgain()) {
    ptr = GuardedHeap::Allocate(size);
  }
  return NoteMade(ptr, size, Origin::kProcess, Fill::kFresh);
}

void* DebugHeap::AllocateZeroed(size_t count, size_t size) {
  const InCall call;
  void* ptr = GuardedHeap::AllocateZeroed(count, size);
  if (ABSL_PREDICT_FALSE(ptr == nullptr) && MayTryAgain()) {
    ptr = GuardedHeap::AllocateZeroed(count, size);
  }
  return NoteMade(ptr, count * size, Origin::kProcess, Fill::kNone);
}

void* DebugHeap::AllocateAligned(size_t alignment, size_t size) {
  const InCall call;
  void* ptr = GuardedHeap::AllocateAligned(alignment, size);
  if (ABSL_PREDICT_FALSE(ptr == nullptr) && MayTryAgain()) {
    ptr = GuardedHeap::AllocateAligned(alignment, size);
  }
  return NoteMade(ptr, size, Origin::kProcess, Fill::kFresh);
}

void* DebugHeap::AllocateInSlow(ArenaHandle handle, size_t size,
                                size_t alignment) {
  const InCall call;
  return NoteMade(GuardedHeap::AllocateInSlow(handle, size, alignment), size,
                  Origin::kArena, Fill::kFresh);
}

void* DebugHeap::AllocateZeroedIn(ArenaHandle handle, size_t count,
                                  size_t size) {
  const InCall call;
  return NoteMade(GuardedHeap::AllocateZeroedIn(handle, count, size),
                  count * size, Origin::kArena, Fill::kNone);
}

void* DebugHeap::AllocateAlignedIn(ArenaHandle handle, size_t alignment,
                                   size_t size) {
  const InCall call;
  return NoteMade(GuardedHeap::AllocateAlignedIn(handle, alignment, size), size,
                  Origin::kArena, Fill::kFresh);
}

size_t DebugHeap::AllocateBatch(ArenaHandle handle, size_t size, void** out,
                                size_t count) {
  size_t made = 0;
  for (; made < count; ++made) {
    out[made] = handle == 0 ? Allocate(size) : AllocateIn(handle, size);
    if (out[made] == nullptr) break;
  }
  return made;
}

// The record is made by now, with the stack of whoever called new.
void* DebugHeap::OfNew(void* ptr) {
  if (ptr == nullptr) return nullptr;
  const InCall call;
  MutexLock lock(d.mutex);
  BlockRecord* record = d.history.Find(ptr);
  if (record != nullptr && record->is_live) record->is_of_new = true;
  return ptr;
}

// --- Freeing. ---

namespace {

enum class Family : uint8_t { kMalloc, kNew };

// Before it is noted as freed, so that it is shown as it is.
void CheckFamily(void* ptr, Family family) {
  BlockRecord record = {};
  if (!d.history.Peek(ptr, &record) || !record.is_live) return;
  if (record.is_of_new == (family == Family::kNew)) return;
  ReportMisuse(family == Family::kNew ? "delete of what malloc has made"
                                      : "free of what new has made",
               ptr);
}

void FreeChecked(void* ptr) {
  const InCall call;
  const Caller caller;
  BlockRecord record = {};
  switch (NoteFreed(ptr, caller, &record)) {
    case Found::kLive:
      return FreeNoted(ptr, record);
    case Found::kFreed:
      return ReportMisuse("double free", ptr);
    case Found::kUnknown:
      return GuardedHeap::Free(ptr);
  }
}

// What was asked for, or any size up to the one that alloc_at_least has told.
bool IsSizeOf(const void* ptr, const BlockRecord& record, size_t size) {
  return Max(record.size, 1) == Max(size, 1) ||
         (size > record.size && size <= GuardedHeap::UsableSize(ptr));
}

void CheckSizes(void* ptr, size_t size, size_t alignment) {
  BlockRecord record = {};
  if (!d.history.Peek(ptr, &record)) {
    GuardedHeap::CheckSize(ptr, size);
  } else if (record.is_live) {
    if (!IsSizeOf(ptr, record, size)) {
      ReportMisuse("free with a wrong size", ptr);
    }
    ProcessHeap::CheckAlignment(ptr, alignment);
  }
}

void FreeAs(void* ptr, Family family) {
  if (ptr == nullptr) return;
  CheckFamily(ptr, family);
  FreeChecked(ptr);
}

void FreeSizedAs(void* ptr, size_t size, size_t alignment, Family family) {
  if (ptr == nullptr) return;
  CheckFamily(ptr, family);
  CheckSizes(ptr, size, alignment);
  FreeChecked(ptr);
}

}  // namespace

void DebugHeap::Free(void* ptr) { FreeAs(ptr, Family::kMalloc); }

void DebugHeap::Delete(void* ptr) { FreeAs(ptr, Family::kNew); }

void DebugHeap::FreeSized(void* ptr, size_t size, size_t alignment) {
  FreeSizedAs(ptr, size, alignment, Family::kMalloc);
}

void DebugHeap::Delete(void* ptr, size_t size, size_t alignment) noexcept {
  FreeSizedAs(ptr, size, alignment, Family::kNew);
}

void DebugHeap::FreeBatch(void** ptrs, size_t count) {
  for (size_t i = 0; i < count; ++i) Free(ptrs[i]);
}

// --- Resizing. ---

namespace {

// Reported if so: below, what waits in the queue is a live block.
bool IsUseOfFreed(const void* ptr, BlockRecord* record) {
  const bool is_known = d.history.Peek(ptr, record);
  if (!is_known) *record = {};
  if (!is_known || record->is_live) return false;
  ReportMisuse("use of a freed block", ptr);
  return true;
}

// To another place, whatever fits where it is. NULL: there is none.
void* MoveAway(void* ptr, const BlockRecord& record, size_t size) {
  void* moved = DebugHeap::Allocate(size);
  if (moved == nullptr) return nullptr;
  memcpy(moved, ptr, Min(size, size_t{record.size}));
  FreeNoted(ptr, record);
  return moved;
}

}  // namespace

void* DebugHeap::Reallocate(void* ptr, size_t size) {
  if (ptr == nullptr) return Allocate(size);
  if (size == 0) {
    Free(ptr);
    return nullptr;
  }
  const InCall call;
  const Caller caller;
  CheckFamily(ptr, Family::kMalloc);
  BlockRecord record = {};
  const Found found = NoteFreed(ptr, caller, &record);
  if (found == Found::kFreed) {
    ReportMisuse("use of a freed block", ptr);
    return nullptr;
  }
  void* moved = nullptr;
  // What shrinks is no request where those are refused.
  const bool may_move = size > record.size ||
                        !RequestGate::AsksFor(process_globals.default_arena);
  // A program may have used more than it has asked for.
  const size_t usable =
      found == Found::kLive ? GuardedHeap::UsableSize(ptr) : 0;
  if (found == Found::kLive && !record.is_of_arena && may_move &&
      Max(size_t{record.size}, size) <= kMaxBlockRequest &&
      usable == record.size) {
    moved = MoveAway(ptr, record, size);
    if (moved != nullptr) return moved;
  }
  ArenaHandle arena = 0;
  if (record.is_of_arena) ProcessHeap::ArenaOf(ptr, &arena);
  const ArenaLife life(arena);
  moved = GuardedHeap::Reallocate(ptr, size);
  if (moved == nullptr) {
    // What is there after a callback has dropped it has a record of its own.
    if (found == Found::kLive && life.IsAsBefore()) NoteKept(ptr, record);
    return nullptr;
  }
  NoteMade(moved, size, record.is_of_arena ? Origin::kArena : Origin::kProcess,
           Fill::kNone);
  if (found == Found::kLive) {
    FillFresh(moved, Max(usable, size_t{record.size}), size);
  }
  return moved;
}

bool DebugHeap::TryResize(void* ptr, size_t size) {
  const InCall call;
  BlockRecord record = {};
  if (IsUseOfFreed(ptr, &record)) return false;
  const size_t usable = record.is_live ? GuardedHeap::UsableSize(ptr) : size;
  if (!GuardedHeap::TryResize(ptr, size)) return false;
  if (record.is_live) {
    MutexLock lock(d.mutex);
    if (BlockRecord* now = d.history.Find(ptr)) now->SetSize(size);
  }
  FillFresh(ptr, Max(usable, size_t{record.size}), size);
  return true;
}

size_t DebugHeap::UsableSize(const void* ptr) {
  BlockRecord record = {};
  const bool is_wrong = ptr != nullptr && IsUseOfFreed(ptr, &record);
  return is_wrong ? 0 : GuardedHeap::UsableSize(ptr);
}

// --- Arenas. ---

Status DebugHeap::CreateArenaIn(void* buffer, size_t bytes,
                                const ArenaOptions& options, ArenaHandle* out) {
  BlockInfo block = {};
  BlockRecord record = {};
  // For GuardedHeap it is live.
  const bool waits = GuardedHeap::BlockOf(buffer, &block) == Status::kOk &&
                     block.is_live && d.history.Peek(block.start, &record) &&
                     !record.is_live;
  return waits ? Status::kInvalid
               : GuardedHeap::CreateArenaIn(buffer, bytes, options, out);
}

// --- Looking at everything. ---

size_t DebugHeap::Purge(size_t keep_bytes) {
  const InCall call;
  FlushQueue();
  return GuardedHeap::Purge(keep_bytes);
}

Status DebugHeap::Walk(ArenaHandle handle, size_t least_bytes, VisitBlock visit,
                       void* context) {
  struct Visitor {
    VisitBlock visit;
    void* context;

    static int Visit(void* visitor, const BlockInfo& block) {
      BlockRecord record = {};
      if (d.history.Peek(block.start, &record) && !record.is_live) return 0;
      const auto* self = static_cast<Visitor*>(visitor);
      return self->visit(self->context, block);
    }
  };
  Visitor visitor = {visit, context};
  return GuardedHeap::Walk(handle, least_bytes, Visitor::Visit, &visitor);
}

Status DebugHeap::BlockOf(const void* ptr, BlockInfo* out) {
  const Status status = GuardedHeap::BlockOf(ptr, out);
  BlockRecord record = {};
  if (status == Status::kOk && d.history.Peek(out->start, &record) &&
      !record.is_live) {
    out->is_live = false;
  }
  return status;
}

// --- Start, end, fork. ---

void DebugHeap::ApplyOptions(const Options& options) {
  ProcessHeap::ApplyOptions(options);
  static_assert(kMaxStackDepth == StackDepot::kMaxFrames);
  d.stack_depth = Min(options.stack_depth, kMaxStackDepth);
  d.leak_groups = options.leaks;
}

void DebugHeap::Finish() {
  const InCall call;
  FlushQueue();
  CheckQuarantine();
  if (d.leak_groups != 0) PrintLeaks(d.leak_groups);
}

void DebugHeap::PrepareFork() {
  for (uint32_t ms = 1;; ProcessHeap::LetOthersGoOn(&ms)) {
    d.mutex.LockForFork();
    if (ProcessHeap::TryPrepareFork(ms)) return;
    d.mutex.UnlockAfterFork();
  }
}

void DebugHeap::ParentAfterFork() {
  ProcessHeap::ParentAfterFork();
  d.mutex.UnlockAfterFork();
}

void DebugHeap::ChildAfterFork() {
  ProcessHeap::ChildAfterFork();
  d.mutex.ResetAfterFork();
}

// --- What reports say. ---

namespace {

// The block that has the address, or had it; a live one rather than not.
bool PeekAround(const void* address, BlockRecord* out) {
  constexpr size_t kMostBefore = kMaxBlockRequest;
  const auto at = reinterpret_cast<uintptr_t>(address);
  bool is_found = false;
  const uintptr_t first = at / kMinAlignment * kMinAlignment;
  for (size_t before = 0; before <= kMostBefore && before <= first;
       before += kMinAlignment) {
    BlockRecord record = {};
    if (!d.history.Peek(reinterpret_cast<const void*>(first - before),
                        &record) ||
        at - record.start > record.size || (is_found && !record.is_live)) {
      continue;
    }
    *out = record;
    is_found = true;
    if (record.is_live || before == 0) break;
  }
  return is_found;
}

void PrintStackOf(const char* title, StackDepot::Id id) {
  const StackDepot::Stack* stack = d.depot.Get(id);
  PrintStack(2, title, stack == nullptr ? nullptr : stack->frames,
             stack == nullptr ? 0 : stack->count);
}

}  // namespace

void ExplainMisuse(const void* address) {
  InCall::Forget();
  BlockRecord record = {};
  if (PeekAround(address, &record)) {
    Printer title;
    title.Text("  block of ").Number(record.size).Text(" bytes at ");
    title.Address(reinterpret_cast<const void*>(record.start));
    PrintStackOf(title.Text(", made by:").text(), record.made);
    if (!record.is_live) PrintStackOf("  freed by:", record.freed);
  }
  const Caller caller;
  PrintStack(2, "  now:", caller.frames, caller.count);
}

#endif

}  // namespace myonly::internal
