// The process's heap: the default arena and the threads' shares of it, the
// arena registry and the pages they share.
//
// malloc: this thread's list for the size class -> its share of the default
//         arena -> the default arena. A thread gets its share with its first
//         few requests behind it; until then, and after its end, the default
//         arena serves it under its lock.
// free:   address -> slice descriptor -> this thread's slab: push; else its own
//         block, another thread's (batched and posted), an arena's or a huge
//         mapping.
// It works before any constructor has run; the first allocation reserves
// addresses. Nothing here touches errno: capi sets it.
//
// Thread-safe.
#ifndef MYONLY_ALLOCATOR_RUNTIME_PROCESS_HEAP_H_
#define MYONLY_ALLOCATOR_RUNTIME_PROCESS_HEAP_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/arena/arena.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/base/invariant.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/large/pressure.h"
#include "allocator/options/options.h"
#include "allocator/pages/given_page_source.h"
#include "allocator/pages/slice.h"
#include "allocator/runtime/process_globals.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"
#include "allocator/threads/this_thread.h"

namespace myonly::internal {

// A block as walks and questions tell of it.
struct BlockInfo {
  void* start;
  size_t bytes;  // usable
  bool is_live;
  ArenaHandle arena;  // 0: the default arena
  uint64_t thread;    // whose share it is in; 0: no thread's
};

class ProcessHeap {
 public:
  ProcessHeap() = delete;

  // The allocate family on the default arena. NULL on failure, and LastStatus()
  // says why. Alignments must be powers of two, else NULL with kInvalid.
  static void* Allocate(size_t size);
  // The parts of Allocate: the first object of a list of this thread; the first
  // block of one; and what to do when that is NULL.
  ABSL_ATTRIBUTE_ALWAYS_INLINE static void* AllocateQuick(size_t size) {
    if (ABSL_PREDICT_FALSE(size >= this_thread.list_bytes_end)) return nullptr;
    return TakeListed(size);
  }
  // For what is below this thread's `list_bytes_end`.
  ABSL_ATTRIBUTE_ALWAYS_INLINE static void* TakeListed(size_t size) {
    return Slab::TakeFirst(&this_thread.lists[SizeClassFor(size)],
                           this_thread.token);
  }
  ABSL_ATTRIBUTE_ALWAYS_INLINE static void* AllocateMediumQuick(size_t size) {
    if (ABSL_PREDICT_FALSE(size >= this_thread.quick_bytes_end)) return nullptr;
    return reinterpret_cast<SubHeap*>(this_thread.heap)
        ->AllocateMediumQuick(size);
  }
  static void* AllocateSlow(size_t size);
  // What no byte of may be touched. NULL: use a block of some bytes.
  ABSL_ATTRIBUTE_COLD static void* AllocateZeroSize();
  // 0, of a live one that begins there; else it dies.
  ABSL_ATTRIBUTE_COLD static size_t ZeroSizeOf(const void* ptr);
  static void* AllocateZeroed(size_t count, size_t size);
  // The part of it for objects of a few words, which are cleared here: a call
  // of memset takes as long as the whole. NULL: use AllocateZeroed.
  ABSL_ATTRIBUTE_ALWAYS_INLINE static void* AllocateZeroedQuick(size_t bytes) {
    constexpr size_t kWord = kMinAlignment;
    const size_t words = SizeClassFor(bytes);  // the size class, that is
    if (ABSL_PREDICT_FALSE(words > 4 || this_thread.list_bytes_end == 0)) {
      return nullptr;
    }
    void* ptr = Slab::TakeFirst(&this_thread.lists[words], this_thread.token);
    if (ABSL_PREDICT_FALSE(ptr == nullptr)) return nullptr;
    char* first = static_cast<char*>(ptr);
    char* last = first + words * kWord - kWord;
    __builtin_memset(first, 0, kWord);
    __builtin_memset(last, 0, kWord);
    if (words > 2) {
      __builtin_memset(first + kWord, 0, kWord);
      __builtin_memset(last - kWord, 0, kWord);
    }
    return ptr;
  }
  static void* AllocateAligned(size_t alignment, size_t size);
  // In the secure preset: the same for more than blocks serve, which is to grow
  // on (Arena::AllocateToGrow).
  ABSL_ATTRIBUTE_COLD static void* AllocateToGrow(size_t size);
  // The program may have limited its addresses since some were reserved. True:
  // it has, and what is not used was given back.
  static bool FollowLimit() { return process_globals.runs.FollowLimit(); }
  // Whether there may be room by now for what the arena has refused with
  // `status`: of what is kept for later.
  ABSL_ATTRIBUTE_COLD static bool MakeRoomIn(Arena& arena, size_t size,
                                             Status status);

  // On blocks of every arena. A bad pointer is reported and aborts. As free, it
  // begins where instructions are fetched.
  __attribute__((aligned(32))) static void Free(void* ptr);
  ABSL_ATTRIBUTE_ALWAYS_INLINE static void FreeInline(void* ptr) {
    Slice* slice;
    if (ABSL_PREDICT_FALSE(!process_globals.runs.FindFirst(ptr, &slice))) {
      return FreeElsewhere(ptr);
    }
    const uintptr_t token = Slab::TokenAt(slice, ptr);
    if (ABSL_PREDICT_FALSE(token != this_thread.token)) {
      if (ABSL_PREDICT_TRUE(
              reinterpret_cast<uintptr_t>(slice->owner) == this_thread.heap &&
              static_cast<SubHeap*>(slice->owner)->FreeBlockQuick(ptr))) {
        return;
      }
      return FreeOther(ptr, slice, token);
    }
    if (ABSL_PREDICT_FALSE(Slab::FreeObject(slice, ptr, token))) {
      Attend(ptr, slice);
    }
  }
  // The same for who knows with which size it was allocated, and at least which
  // alignment, 0: any; 0 size is taken as 1. Ones that can't be are reported.
  // The size of an object may be that to which realloc would have left it in
  // place.
  static void FreeSized(void* ptr, size_t size, size_t alignment);
  // Reports one that is no power of two, or not the address's; 0 is any.
  static void CheckAlignment(const void* ptr, size_t alignment) {
    const size_t mask = alignment - 1;
    if (ABSL_PREDICT_FALSE(
            alignment != 0 &&
            ((alignment | reinterpret_cast<uintptr_t>(ptr)) & mask) != 0)) {
      ReportMisuse("free with a wrong alignment", ptr);
    }
  }
  // For objects of C++, which nobody resizes.
  ABSL_ATTRIBUTE_ALWAYS_INLINE static void DeleteInline(void* ptr,
                                                        size_t size) {
    Slice* slice;
    if (ABSL_PREDICT_TRUE(process_globals.runs.FindFirst(ptr, &slice))) {
      const uintptr_t token = Slab::TokenAt(slice, ptr);
      if (ABSL_PREDICT_TRUE(token == this_thread.token &&
                            (!kChecksObjects ||
                             slice->slab.size_class == SizeClassFor(size)))) {
        if (ABSL_PREDICT_FALSE(Slab::FreeObject(slice, ptr, token))) {
          Attend(ptr, slice);
        }
        return;
      }
      if (kChecksObjects) return DeleteOther(ptr, size, slice);
    }
    Delete(ptr, size, kMinAlignment);
  }
  // The same of what is no object of this thread of that size.
  static void DeleteOther(void* ptr, size_t size, Slice* slice) noexcept;
  static void Delete(void* ptr, size_t size, size_t alignment) noexcept;
  // What operator new returns, and the forms of delete without a size: only the
  // preset debug knows whose a block is.
  static void* OfNew(void* ptr) { return ptr; }
  ABSL_ATTRIBUTE_ALWAYS_INLINE static void DeleteInline(void* ptr) {
    FreeInline(ptr);
  }
  static void Delete(void* ptr) { Free(ptr); }
  // `ptr` NULL allocates from the default arena; `size` 0 frees and returns
  // NULL with LastStatus() unchanged.
  static void* Reallocate(void* ptr, size_t size);
  // What is not moved although it could be smaller: up to half is spare, or the
  // block is small anyway.
  static bool IsGoodFit(size_t size, size_t usable) {
    constexpr size_t kSmall = 128;
    return size <= usable && (size > usable / 2 || usable <= kSmall);
  }
  // An object of a slab that stays where it is and as it is; false: use
  // Reallocate.
  ABSL_ATTRIBUTE_ALWAYS_INLINE static bool StaysInPlace(void* ptr,
                                                        size_t size) {
    Slice* slice;
    return ABSL_PREDICT_TRUE(
        process_globals.runs.FindFirst(ptr, &slice) &&
        slice->key != Slice::kNoSlab && size != 0 &&
        IsGoodFit(size, ObjectBytes(slice->slab.size_class)) &&
        Slab::IsLive(slice, ptr));
  }
  // In place. What that has brought over a line its caller tells.
  static bool TryResize(void* ptr, size_t size);
  // The same for less of what has `usable` bytes and can't be moved.
  ABSL_ATTRIBUTE_COLD static void ShrinkInPlace(void* ptr, size_t usable,
                                                size_t size);
  // After a resize of a block, and all that has to be done to it. False: a
  // callback has dropped the block.
  static bool TellOfResize(const void* ptr) {
    return !Pressure::HasNews() || TellNewsOf(ptr);
  }
  static size_t UsableSize(const void* ptr);
  // The same of what is not an object of this thread.
  static size_t UsableSizeSlow(const void* ptr);

  // Arenas. Find returns NULL for a handle that is stale or was never one and
  // stores which in `*status`.
  ABSL_ATTRIBUTE_COLD static Status CreateArena(const ArenaOptions& options,
                                                ArenaHandle* out);
  // With memory of their own: own_memory.h.
  ABSL_ATTRIBUTE_COLD static Status CreateArenaIn(void* buffer, size_t bytes,
                                                  const ArenaOptions& options,
                                                  ArenaHandle* out);
  ABSL_ATTRIBUTE_COLD static Status CreateArenaOver(const PageFunctions& pages,
                                                    const ArenaOptions& options,
                                                    ArenaHandle* out);
  static Arena* FindArena(ArenaHandle handle, Status* status);
  ABSL_ATTRIBUTE_COLD static Status DestroyArena(ArenaHandle handle,
                                                 bool require_empty);
  static Arena& DefaultArena();
  // kStale, too, if it is destroyed before this has its lock, whatever arena is
  // in its place then; the next one, too.
  ABSL_ATTRIBUTE_COLD static Status ResetArena(ArenaHandle handle);
  ABSL_ATTRIBUTE_COLD static Status SetLimit(ArenaHandle handle,
                                             void (Quota::*set)(size_t),
                                             size_t bytes);

  // The allocate family on an arena of the program. NULL, too, for a handle
  // that Find would not find.
  ABSL_ATTRIBUTE_ALWAYS_INLINE static void* AllocateInQuick(ArenaHandle handle,
                                                            size_t size) {
    ShareFront& share =
        *this_thread.recent_shares[ArenaRegistry::SlotOf(handle) %
                                   ThisThread::kRecentShares];
    if (ABSL_PREDICT_FALSE(share.handle != handle)) return nullptr;
    if (ABSL_PREDICT_FALSE(size > kMaxSlabRequest)) return nullptr;
    return Slab::TakeFirst(&share.lists[SizeClassFor(size)], this_thread.token);
  }
  static void* AllocateIn(ArenaHandle handle, size_t size) {
    void* ptr = AllocateInQuick(handle, size);
    return ABSL_PREDICT_TRUE(ptr != nullptr)
               ? ptr
               : AllocateInSlow(handle, size, kMinAlignment);
  }
  __attribute__((aligned(32))) static void* AllocateInSlow(ArenaHandle handle,
                                                           size_t size,
                                                           size_t alignment);
  static void* AllocateZeroedIn(ArenaHandle handle, size_t count, size_t size);
  static void* AllocateAlignedIn(ArenaHandle handle, size_t alignment,
                                 size_t size);

  // Up to `count` blocks of `size` bytes into `out`: how many. Of an arena of
  // the program; 0: of the default arena.
  static size_t AllocateBatch(ArenaHandle handle, size_t size, void** out,
                              size_t count);
  static void FreeBatch(void** ptrs, size_t count);

  // Gives free memory of an arena back until about `keep_bytes` of it are
  // left, and free pages that all arenas share as Purge does.
  ABSL_ATTRIBUTE_COLD static void PurgeArena(Arena& arena, ArenaHandle handle,
                                             size_t keep_bytes);

  // The arena is at its limit: gives back what shares of it keep free that
  // this thread may look into, and asks other threads to. True: something went
  // back.
  ABSL_ATTRIBUTE_COLD static bool ReleaseSpareOf(Arena& arena);

  // Moves the charge of a live block, and the block, to another arena of the
  // same tree.
  ABSL_ATTRIBUTE_COLD static Status Transfer(void* ptr, ArenaHandle to);

  // Calls the callbacks of arenas that this thread's call has brought over a
  // line. No lock is held, and the call has done its work.
  static void TellIfNews() {
    if (Pressure::HasNews()) TellPressure();
  }
  // In the midst of a call that has several parts nothing is told.
  static void HoldNews() { this_thread.holds_news = true; }
  static void TellHeldNews() {
    this_thread.holds_news = false;
    TellIfNews();
  }

  // After questions to an arena that was found by its handle, 0: the default
  // arena. kOk: the answers are its own, and not of another arena in its place.
  ABSL_ATTRIBUTE_COLD static Status StatusOf(ArenaHandle handle);

  // What it and all threads' shares of it hold. What other threads do meanwhile
  // may be missing, objects in their lists count as live.
  ABSL_ATTRIBUTE_COLD static ArenaStats StatsOf(Arena& arena);
  // The same of the live arena in the first slot behind `*slot`, which becomes
  // its slot. Its handle; 0: there is none.
  ABSL_ATTRIBUTE_COLD static ArenaHandle NextStats(size_t* slot,
                                                   ArenaStats* stats);
  // Of the default arena and all threads' shares of it. What other threads do
  // meanwhile may be missing, objects in their lists count as live.
  ABSL_ATTRIBUTE_COLD static ArenaStats Stats();

  // --- Looking at what is there, from a signal handler too: no lock. ---

  // The arena that owns the page at `ptr`: kOk with 0 for the default arena,
  // kInvalid for memory that is not ours. Safe for every address.
  ABSL_ATTRIBUTE_COLD static Status ArenaOf(const void* ptr, ArenaHandle* out);
  // The block that has `ptr`; kInvalid: none has. Safe for every address.
  ABSL_ATTRIBUTE_COLD static Status BlockOf(const void* ptr, BlockInfo* out);
  // Statistics of an arena of the program, NULL: of the default arena and all
  // threads' shares of it.
  ABSL_ATTRIBUTE_COLD static ArenaStats PeekStats(const Arena* arena);

  // --- Looking at everything. ---

  // Calls visit(context, block) for each live block of at least `least_bytes`,
  // until it returns something else than 0. `handle` 0: of the default arena.
  // Nothing is locked while it is called.
  using VisitBlock = int (*)(void* context, const BlockInfo& block);
  ABSL_ATTRIBUTE_COLD static Status Walk(ArenaHandle handle, size_t least_bytes,
                                         VisitBlock visit, void* context);

  // Gives free pages back until at most `keep_bytes` stay; returns the bytes.
  ABSL_ATTRIBUTE_COLD static size_t Purge(size_t keep_bytes);

  // Gives back some of what nobody has wanted for a while, of what all threads
  // share and of one orphan. Not of what a thread holds. `now_ms` is
  // CoarseMs().
  ABSL_ATTRIBUTE_COLD static void PurgeIdle(uint64_t now_ms);

  // What the caller's own share has news of (SubHeap::TakeNews), done outside
  // of it.
  ABSL_ATTRIBUTE_COLD static void LookElsewhere(SubHeap* heap, uint8_t news);

  // False if an invariant of the arena does not hold: `*broken` says which.
  ABSL_ATTRIBUTE_COLD static bool CheckArena(Arena& arena,
                                             BrokenInvariant* broken);
  // The same for the default arena, and what all arenas share.
  ABSL_ATTRIBUTE_COLD static bool CheckInvariants(BrokenInvariant* broken);
  // One line on stderr.
  ABSL_ATTRIBUTE_COLD static void ReportBroken(const BrokenInvariant& broken);

  // What the environment asks for; see options.def.
  ABSL_ATTRIBUTE_COLD static void ApplyOptions(const Options& options);

  // This thread's last failure.
  static Status LastStatus();
  static void SetLastStatus(Status status);

  // The calling thread's state, for the request gate. NULL: it can have none.
  ABSL_ATTRIBUTE_COLD static ThreadState* StateForGate();

  // The calling thread will make no call for a while: its state is there for
  // others, as if it had ended. Its next calls take one again.
  ABSL_ATTRIBUTE_COLD static void NoteIdle();

  // Once the process has started: threads give their share up when they end.
  static void WatchThreads();

  // Around fork(): no other thread holds a lock of ours in the child.
  ABSL_ATTRIBUTE_COLD static void PrepareFork();
  // The same unless an arena with memory of its own stays locked for so long:
  // its page functions may wait for what is held here, or by the caller. Then
  // nothing is held any more.
  ABSL_ATTRIBUTE_COLD static bool TryPrepareFork(uint32_t most_ms);
  // Before the next try, holding nothing; that one may take longer. 1 at first.
  ABSL_ATTRIBUTE_COLD static void LetOthersGoOn(uint32_t* ms);
  ABSL_ATTRIBUTE_COLD static void ParentAfterFork();
  ABSL_ATTRIBUTE_COLD static void ChildAfterFork();

 private:
  ABSL_ATTRIBUTE_COLD static void TellPressure();
  ABSL_ATTRIBUTE_COLD static bool TellNewsOf(const void* ptr);
  // What is kept for later serves other requests from now on, but for what
  // other threads alone may look into; they are asked.
  ABSL_ATTRIBUTE_COLD static void MakeRoom();
  ABSL_ATTRIBUTE_COLD static void FreeZeroSize(const void* ptr);
  ABSL_ATTRIBUTE_COLD static void AddZeroSizeStats(ArenaStats* stats);
  static void* AllocateInSlower(ArenaHandle handle, SubHeap* share, size_t size,
                                size_t alignment);
  ABSL_ATTRIBUTE_COLD static void* AllocatePagesZeroedIn(ArenaHandle handle,
                                                         size_t size);
  // What is left to do when allocating in an arena has failed, or has news.
  // `alignment` 0: the block shall be zeroed.
  ABSL_ATTRIBUTE_COLD static void* FinishAllocateIn(ArenaHandle handle,
                                                    void* ptr, size_t size,
                                                    size_t alignment,
                                                    Status status);
  static void* Move(Arena& arena, void* ptr, size_t usable, size_t size);
  ABSL_ATTRIBUTE_COLD static void* MoveSlowly(Arena& arena, void* ptr,
                                              size_t usable, size_t size);
  // With the address first, where free() has it already.
  static void FreeOther(void* ptr, Slice* slice, uintptr_t token_at) noexcept;
  static void FreeOtherSlow(void* ptr, Slice* slice);
  ABSL_ATTRIBUTE_COLD static void FreeElsewhere(void* ptr) noexcept;
  static void Attend(const void* ptr, Slice* slab) noexcept;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_PROCESS_HEAP_H_
