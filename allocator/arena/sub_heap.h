// One thread's share of an arena: slabs for requests up to 1 KiB, blocks up to
// 64 KiB. Nothing here takes a lock, but for pages.
//
// Of the process's default arena every thread has one as soon as it allocates
// in earnest. Of an arena of the program it has one once it uses that much; it
// keeps it for the arenas that come after in the same slot.
//
// Allocate: a class's list of objects (the caller pops it) | slab pool; blocks:
//           bins and quick lists of its own.
// The first requests of a class, and the first blocks of all, come as blocks
// from whoever has a region already, in the end from the arena under its lock:
// what is not used is not touched.
//
// Made in zeroed memory (base/zeroed_memory.h).
//
// Externally synchronised: only the owning thread calls these, but for
// what is marked so; and Reset and Close of the arena, which no thread may use
// meanwhile.
#ifndef MYONLY_ALLOCATOR_ARENA_SUB_HEAP_H_
#define MYONLY_ALLOCATOR_ARENA_SUB_HEAP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/arena/arena.h"
#include "allocator/arena/arena_options.h"
#include "allocator/arena/block_heap.h"
#include "allocator/arena/remote_free_queue.h"
#include "allocator/base/check.h"
#include "allocator/base/invariant.h"
#include "allocator/base/peek.h"
#include "allocator/base/preset.h"
#include "allocator/base/status.h"
#include "allocator/blocks/bin_index.h"
#include "allocator/blocks/block.h"
#include "allocator/blocks/quick_lists.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/large/run_pool.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"
#include "allocator/slabs/slab_pool.h"

namespace myonly::internal {

// The part of a share that the fast path of an arena of the program needs. A
// thread that has not met any keeps one without an arena at hand, whose lists
// are empty.
struct ShareFront {
  // No handle has this value; its slot would be 0, which no arena has.
  static constexpr uintptr_t kNoArena = 3;
  // Changed in a handle: its own arena is not to find it, although it is open;
  // nor is any other value, as that is looked for elsewhere.
  static constexpr uintptr_t kKeptMark = 16;

  // Of the arena, as long as that is open. Read plainly, so that it can be an
  // operand: who may use a handle has synchronised with whoever made it, and
  // with whoever destroyed it. A thread may come here for another arena, whose
  // place in its table is the same: it finds some value that is not its own.
  OwnerWritten<uintptr_t> handle;
  Object* lists[kNumSizeClasses];
};

class SubHeap : public ShareFront {
 public:
  // `token` is the owning thread's, for its slabs, as is `cache`.
  ABSL_ATTRIBUTE_COLD SubHeap(Arena& arena, RunPool& runs, HugeMappings& huge,
                              uint64_t (*seed)(), uintptr_t token,
                              SliceCache* cache);
  SubHeap(const SubHeap&) = delete;
  SubHeap& operator=(const SubHeap&) = delete;

  // The lists of objects are in `elsewhere` from now on, kNumSizeClasses of
  // them; and here again.
  void LendLists(Object** elsewhere) { MoveLists(elsewhere); }
  void TakeListsBack() { MoveLists(lists); }

  // A share of an arena of the program: the arena's list; whether it is in one;
  // what the arena does when it is opened, reset and closed.
  SubHeap* previous = nullptr;
  SubHeap* next = nullptr;
  bool is_open() const { return handle != kNoArena; }
  ABSL_ATTRIBUTE_COLD void Open(uintptr_t arena_handle);
  // A `reset`: the same is soon wanted again.
  ABSL_ATTRIBUTE_COLD void DropAll(SliceCache* cache, bool reset);
  void Close() { handle = kNoArena; }
  // There were many requests between its last two drops: the next arena in this
  // place is likely one for the same purpose.
  bool was_busy() const { return was_busy_; }

  // In the child of a fork: its thread was lost, perhaps in the midst of a
  // call.
  void Freeze() { is_frozen_ = true; }
  bool is_frozen() const { return is_frozen_; }

  // Any request, when the list for it is empty or there is none. NULL:
  // `*status` says why.
  void* Allocate(size_t size, size_t alignment, Status* status);

  // An object of a class whose list is empty, of a slab that there is; NULL:
  // there is none, or there is more to do.
  void* AllocateBack(size_t size_class) {
    return AllocateFromSlab(
        size_class, [this, size_class] { return slabs_.TakeNext(size_class); });
  }
  // The same, or of a new slab. Only for shares of which nobody takes the news.
  void* AllocateOrGrow(size_t size_class) {
    return AllocateFromSlab(size_class, [this, size_class]() -> Object* {
      Status status;
      return WantsSlab(size_class) ? Refill(size_class, &status) : nullptr;
    });
  }

  // A block from a quick list that is near, if the one for `size` is empty;
  // NULL: there is none, or there is more to do. For at most
  // BlockHeap::kMaxQuickRequest.
  void* AllocateBlockBack(size_t size) {
    if (ABSL_PREDICT_FALSE(!posted_.empty())) return nullptr;
    return OnSlowPath() ? nullptr : AllocateBlockQuick(size, kMinAlignment);
  }

  // A block from a quick list, or NULL; for more than kMaxSlabRequest bytes and
  // at most BlockHeap::kMaxQuickRequest.
  void* AllocateMediumQuick(size_t size) {
    void* ptr = quick_.Take(QuickIndexForRequest(size, Block::kTagBytes), this);
    if (ABSL_PREDICT_TRUE(ptr != nullptr)) quick_.NoteRequest();
    return ptr;
  }

  // --- What its owner frees and resizes. ---

  // Frees into a quick list. False, and nothing done: use FreeBlock.
  bool FreeBlockQuick(void* ptr) {
    if (ABSL_PREDICT_FALSE(!quick_.FreeIfLive(ptr, blocks_.key(), this))) {
      return false;
    }
    ++block_frees_;
    return true;
  }
  // `region` is the descriptor of the slice at `ptr`. A bad pointer is
  // reported.
  void FreeBlock(const Slice* region, void* ptr) {
    const size_t waiting = blocks_.quick_bytes();
    if (ABSL_PREDICT_FALSE(!blocks_.Free(region, ptr))) return;
    ++block_frees_;
    NoteFreed(1 + (waiting - Min(waiting, blocks_.quick_bytes())) / kSliceSize);
  }
  bool ResizeBlock(const Slice* region, void* ptr, size_t size) {
    return blocks_.Resize(region, ptr, size);
  }
  // What Slab::FreeObject has found: the slab's counter is at 0. Of the active
  // slab all objects are back then: they are the list again at once. So is the
  // only one of a slab of few. But not if with `has_work` a slow path of
  // allocating shall come.
  void Attend(Slice* slab, bool has_work) {
    const size_t size_class = slab->slab.size_class;
    Object*& list = lists_[size_class];
    const bool may_list = !has_work && posted_.empty();
    if (Slab::HasOnlyOne(slab) && may_list && !IsQuiet() &&
        MayGrow(size_class)) {
      list = slabs_.HandBack(slab, list);
      return;
    }
    if (slab->slab.state != SlabState::kActive) {
      slabs_.Attend(slab, 0);
      return NoteFreed(1);
    }
    // Nor if that is to look at the clock, and after what its caller can tell.
    if (!may_list || slow_paths_left_ == 1 || !Slab::IsEnd(list)) return;
    --slow_paths_left_;
    Object* back = slabs_.TakeAllBack(slab);
    if (back != nullptr) list = back;
  }

  // --- What others have freed. ---

  // Takes in some of what others have posted; all of it.
  void TakeInSome() {
    if (ABSL_PREDICT_FALSE(!posted_.empty())) TakeIn(kMaxTakenIn);
  }
  void TakeInAll() { TakeIn(SIZE_MAX); }

  // --- By any thread that owns the block. ---

  // Hands a chain of freed objects, or a block on which MarkPosted was called,
  // to the share whose slab or region `slice` is. It may have been given up, if
  // another thread has freed the same at the same time.
  ABSL_ATTRIBUTE_NOINLINE static void Post(Slice* slice,
                                           const RemoteChain& chain) {
    const Holder holder = HolderOf(slice);
    if (ABSL_PREDICT_FALSE(!holder.is_share())) {
      return ReportMisuse("double free", chain.first);
    }
    static_cast<SubHeap*>(holder.owner)->posted_.Push(chain);
  }

  // It is about to be posted to the owner. False: a bad pointer was reported,
  // also if somebody else posted it before.
  bool MarkPosted(const Slice* region, void* ptr) {
    return blocks_.MarkPosted(region, ptr);
  }
  const char* WhyNotLive(const Slice* region, void* ptr) const {
    return blocks_.WhyNotLive(region, ptr);
  }
  size_t UsableBlock(const Slice* region, void* ptr) const {
    return blocks_.UsableSize(region, ptr);
  }

  // --- The whole. ---

  // Gives back what can be given back. Returns the bytes purged inside blocks.
  size_t Purge() {
    size_t keep_bytes = 0;
    return PurgeTo(&keep_bytes);
  }
  // But for about `*keep_bytes` of what is free, which are taken off.
  ABSL_ATTRIBUTE_COLD size_t PurgeTo(size_t* keep_bytes);

  // Gives back what is kept free in slabs and regions of its own, but for so
  // much that waits in quick lists.
  ABSL_ATTRIBUTE_COLD void ReleaseSpare(size_t keep_bytes = 0);
  // By anybody: the owner shall do that soon. Who owns it and is not in a call
  // for it asks whether somebody did.
  void AskForSpare() { is_asked_.store(true, std::memory_order_relaxed); }
  bool is_asked() const { return is_asked_.load(std::memory_order_relaxed); }
  ABSL_ATTRIBUTE_COLD void ReleaseIfAsked();

  // A bounded part of that, whatever has waited how long; true: there is more.
  ABSL_ATTRIBUTE_COLD bool PurgeStep();

  // What its caller should look after, since this was asked last: it has looked
  // after its own memory with time, so the caller does after the rest, and says
  // whether there is more to do; it has taken memory of the arena.
  static constexpr uint8_t kTicked = 1;
  static constexpr uint8_t kGrown = 2;
  uint8_t TakeNews() {
    const uint8_t news = news_;
    news_ = 0;
    return news;
  }
  void set_more_elsewhere(bool more) { more_elsewhere_ = more; }

  // Of one whose thread has ended, for others that need memory: takes some of
  // what was posted in, and when that is all gives back what is spare. False:
  // nothing was posted.
  ABSL_ATTRIBUTE_COLD bool Reclaim();

  // What it holds of the system's memory.
  size_t held_bytes() const {
    return slabs_.slab_bytes() + blocks_.region_bytes();
  }

  // Adds what is in here; exact, and only for the owner.
  ABSL_ATTRIBUTE_COLD void AddStats(ArenaStats* stats);
  // The same by other threads: as of one of its owner's last slow paths, and
  // objects in its lists count as in use.
  ABSL_ATTRIBUTE_COLD void AddPublishedStats(ArenaStats* stats) const;
  ABSL_ATTRIBUTE_COLD void Publish();
  // The same by anybody at any time, also from a signal handler: objects in
  // lists count as in use, and what a call in progress changes may be missing.
  ABSL_ATTRIBUTE_COLD void PeekStats(ArenaStats* stats) const;

  // False if an invariant does not hold: `*broken` says which.
  ABSL_ATTRIBUTE_COLD bool CheckInvariants(BrokenInvariant* broken);

  // For those who look at memory that others use.
  ABSL_ATTRIBUTE_NO_SANITIZE_THREAD const Arena* PeekArena() const {
    return &arena_;
  }
  uintptr_t PeekToken() const { return Peek(token_); }
  uint64_t PeekSealKey() const { return blocks_.PeekSealKey(); }
  const RemoteFreeQueue& PeekPosted() const { return posted_; }

  Arena& arena() const { return arena_; }
  uintptr_t token() const { return token_; }

 private:
  // Requests of a class that are served as blocks before it gets a slab; and
  // requests for blocks before there is a region.
  static constexpr uint8_t kRequestsBeforeSlab = 8;
  static constexpr uint8_t kRequestsBeforeRegion = 8;
  // A thread that takes few slow paths between two looks at the clock is quiet.
  // While there is more to purge, each of its slow paths looks at the clock,
  // and short lists bring it there.
  static constexpr uint8_t kHandedBackPerLook = 8;
  static constexpr size_t kEnoughListed = 4;
  static constexpr uint32_t kSlowPathsPerLook = 16;
  static constexpr uint64_t kDecayIntervalMs = 8;
  static constexpr uint32_t kQuietSlowPaths = 32;
  static constexpr uint64_t kEpochMs = 1000;
  // Who frees much may call for little then: what waits is looked after until
  // it has waited long enough.
  static constexpr uint32_t kFreesPerLook = 64;
  // With no slow path of allocating between them: some 37 MiB were given up,
  // and the thread is taken to be quiet until it shows that it isn't.
  static constexpr uint32_t kFreesAlone = 1200;
  static constexpr uint64_t kAttentionMs = 8 * kEpochMs;
  // Of PurgeIdle: 10 slabs for each millisecond since the last time take less
  // than a tenth of it; and some 2 ms at most.
  static constexpr size_t kSlabsPerMs = 10;
  static constexpr size_t kMaxSlabs = 256;
  // Of a thread that idles; 8 ms, if it has made no call for 25: with ten calls
  // a second 2 GiB are looked through in ten seconds.
  static constexpr size_t kQuietSlabsPerMs = 40;
  static constexpr size_t kMaxQuietSlabs = 1024;
  static constexpr size_t kBlocksPerSlab = 8;

  // Chains per slow path, so that no call takes long.
  static constexpr size_t kMaxTakenIn = 256;

  // Whether objects of `bytes` come from slabs by now.
  bool HasSlabFor(size_t bytes) const { return WantsSlab(SizeClassFor(bytes)); }
  bool WantsSlab(size_t size_class) const {
    return kIsSecure || requests_[size_class] >= kRequestsBeforeSlab;
  }
  // `more` makes a list if nothing came back.
  template <typename More>
  ABSL_ATTRIBUTE_ALWAYS_INLINE void* AllocateFromSlab(size_t size_class,
                                                      More more) {
    if (ABSL_PREDICT_FALSE(!posted_.empty())) return nullptr;
    if (OnSlowPath()) return nullptr;
    if (ABSL_PREDICT_FALSE(!Slab::IsEnd(lists_[size_class]))) return nullptr;
    Object* list = slabs_.TakeBack(size_class);
    if (list == nullptr) list = more();
    if (list == nullptr) return nullptr;
    void* object = Slab::TakeFirst(&list, token_);
    lists_[size_class] = list;
    return object;
  }
  // The first object of a list; dies if it is not as it was when it was freed.
  // NULL: the list is at its end.
  void* TakeListed(size_t size_class);
  // An object, or NULL: there shall be a block instead.
  ABSL_ATTRIBUTE_COLD void* AllocateSmall(size_t bytes);
  void* AllocateBlockQuick(size_t size, size_t alignment) {
    void* ptr = quick_.TakeFor(Block::BytesFor(size), alignment, this);
    if (ABSL_PREDICT_TRUE(ptr != nullptr)) quick_.NoteRequest();
    return ptr;
  }
  Object* Refill(size_t size_class, Status* status) {
    if (ABSL_PREDICT_FALSE(slabs_.slab_bytes() == 0) &&
        slabs_.Reopen(lists_, handle) && !Slab::IsEnd(lists_[size_class])) {
      return lists_[size_class];
    }
    return slabs_.Refill(size_class, status);
  }
  void* AllocateBlockSlow(size_t size, size_t alignment, Status* status);

  ABSL_ATTRIBUTE_COLD void MoveLists(Object** to);
  // True: it has looked after its memory, and there is news.
  bool OnSlowPath() {
    return ABSL_PREDICT_FALSE(--slow_paths_left_ == 0) && LookAtClock();
  }
  ABSL_ATTRIBUTE_COLD bool LookAtClock();
  void NextLookAfter(uint32_t slow_paths) {
    slow_paths_ += slow_paths_counted_ - slow_paths_left_;
    slow_paths_counted_ = slow_paths_left_ = slow_paths;
  }
  // It makes few calls, so that each of them looks after its memory.
  bool IsQuiet() const { return slow_paths_each_ == 1; }
  // Whether an object that comes back may make the list of its class longer.
  // Each eighth time the list is looked at, and now and then the answer is no,
  // so that a slow path comes.
  bool MayGrow(size_t size_class) {
    return ++handed_back_[size_class] % kHandedBackPerLook != 0 ||
           MayGrowIfShort(size_class);
  }
  ABSL_ATTRIBUTE_COLD bool MayGrowIfShort(size_t size_class);
  // So many slabs, or slices with blocks that are coalesced, have been looked
  // at by freeing.
  void NoteFreed(size_t slices) {
    frees_ += static_cast<uint32_t>(slices);
    if (ABSL_PREDICT_FALSE(frees_ >= kFreesPerLook)) LookAfterFrees();
  }
  ABSL_ATTRIBUTE_COLD void LookAfterFrees();
  ABSL_ATTRIBUTE_COLD void Decay(uint64_t now_ms);
  ABSL_ATTRIBUTE_COLD void SetQuiet(bool is_quiet);
  ABSL_ATTRIBUTE_COLD bool PurgeIdle(uint64_t now_ms, uint64_t elapsed_ms);
  ABSL_ATTRIBUTE_COLD void ReturnLists();
  ABSL_ATTRIBUTE_COLD bool CheckLists(BrokenInvariant* broken) const;
  ABSL_ATTRIBUTE_COLD void TakeIn(size_t chains);

  Arena& arena_;
  RunPool& runs_;
  HugeMappings& huge_;
  SliceCache* const cache_;
  const uintptr_t token_;
  Object** lists_ = lists;                     // here or elsewhere
  uint8_t handed_back_[kNumSizeClasses] = {};  // counted round and round
  bool is_frozen_ = false;
  bool was_busy_ = false;
  std::atomic<bool> is_asked_{false};
  uint64_t block_frees_ = 0;
  uint64_t peak_live_bytes_ = 0;
  uint64_t allocations_before_ = 0;                  // the last reset
  uint32_t slow_paths_left_ = kSlowPathsPerLook;     // until the next look
  uint32_t slow_paths_counted_ = kSlowPathsPerLook;  // from the last look on
  uint32_t slow_paths_each_ = kSlowPathsPerLook;  // from one look to the next
  uint32_t slow_paths_ = 0;                       // since decay_ms_
  uint8_t news_ = 0;
  bool more_elsewhere_ = false;
  bool is_sweeping_ = false;  // this epoch's
  uint32_t frees_ = 0;        // since the last look
  uint32_t frees_alone_ = 0;
  uint32_t slow_paths_then_ = 0;  // at the last look
  uint64_t attention_ms_ = 0;     // ends then
  uint64_t decay_ms_ = 0;
  uint64_t epoch_ms_ = 0;
  uint8_t region_requests_ = 0;
  uint8_t requests_[kNumSizeClasses] = {};
  struct Published {
    std::atomic<uint64_t> allocations{0};
    std::atomic<uint64_t> frees{0};
    std::atomic<uint64_t> live_bytes{0};
    std::atomic<uint64_t> peak_live_bytes{0};
    std::atomic<uint64_t> region_bytes{0};
    std::atomic<uint64_t> free_bytes{0};
  } published_;
  BlockHeap blocks_;
  // On lines of its own: others write it.
  alignas(kInterferenceSize) RemoteFreeQueue posted_;
  // One behind the other, as between the lists of slabs and those of blocks is
  // a page that nobody touches while both are few.
  alignas(kInterferenceSize) SlabPool slabs_;
  QuickLists quick_;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_ARENA_SUB_HEAP_H_
