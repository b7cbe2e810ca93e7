// Arenas with memory of their own (arena/own_ground.h): making and removing
// them, and the way from an address to what they stand on.
//
// Thread-safe; one lock, which only these arenas and addresses that are no
// other memory of this library ever come to.
#ifndef MYONLY_ALLOCATOR_RUNTIME_OWN_MEMORY_H_
#define MYONLY_ALLOCATOR_RUNTIME_OWN_MEMORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/arena/own_ground.h"
#include "allocator/base/mutex.h"
#include "allocator/base/status.h"
#include "allocator/base/treap.h"
#include "allocator/pages/metadata_allocator.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

// Addresses of one of them. Never unmapped, used again.
struct OwnRange {
  char* start;
  size_t bytes;
  OwnGround* ground;
  bool is_reserved;  // by the program's function: it has to be released
  bool is_guest;     // in a block of another arena of the program
  OwnRange* left;
  OwnRange* right;
  OwnRange* next;  // of the ground, or of the spare ones
  // What PeekAt reads; NULL while it is spare.
  std::atomic<char*> seen_start;
  std::atomic<size_t> seen_bytes;
  std::atomic<OwnGround*> seen_ground;
  OwnRange* next_record;  // of all there are
};

class OwnMemory {
 public:
  constexpr OwnMemory(MetadataAllocator& metadata, HugeMappings& huge,
                      ArenaRegistry& registry, uint64_t (*seed)())
      : metadata_(metadata), huge_(huge), registry_(registry), seed_(seed) {}

  static constexpr size_t kMinBufferBytes = 64 * 1024;

  // An arena over [buffer, buffer + bytes), which must not be used otherwise
  // until it is destroyed. kBusy: another one has some of it.
  ABSL_ATTRIBUTE_COLD Status CreateIn(void* buffer, size_t bytes,
                                      const ArenaOptions& options,
                                      ArenaHandle* out);
  // One over pages of the program's functions.
  ABSL_ATTRIBUTE_COLD Status CreateOver(const PageFunctions& functions,
                                        const ArenaOptions& options,
                                        ArenaHandle* out);
  // How much it has by now.
  ABSL_ATTRIBUTE_COLD size_t BytesOf(const OwnGround& ground);
  // After its arena has been closed.
  ABSL_ATTRIBUTE_COLD void Remove(OwnGround* ground);

  // The slice that has `ptr`: `found`, which the process's run pool says or
  // NULL, unless such an arena has that; the program may have its memory from
  // this library.
  Slice* Refine(const void* ptr, Slice* found) {
    return has_any() ? RefineSlow(ptr, found) : found;
  }

  // What has `address`, or NULL. Safe for every address.
  ABSL_ATTRIBUTE_COLD OwnGround* Find(const void* address);
  // The same without a lock, from any signal handler: what is being made or
  // removed may be found or not.
  ABSL_ATTRIBUTE_COLD OwnGround* PeekAt(const void* address) const;

  // Whether there is one, or has been.
  bool has_any() const {
    return ABSL_PREDICT_FALSE(records_.load(std::memory_order_acquire) !=
                              nullptr);
  }
  // Whether one has some of [start, start + bytes).
  ABSL_ATTRIBUTE_COLD bool HasIn(const void* start, size_t bytes);

  // Whether one has memory in a block of `host`, which must not go before it.
  ABSL_ATTRIBUTE_COLD bool HasGuestOf(ArenaHandle host) const;

  Mutex& mutex_for_fork() { return mutex_; }

 private:
  struct Order {
    static OwnRange*& Left(OwnRange& range) { return range.left; }
    static OwnRange*& Right(OwnRange& range) { return range.right; }
    static bool Less(const OwnRange& a, const OwnRange& b) {
      return a.start < b.start;
    }
    static uint64_t Priority(const OwnRange& range) {
      return MixBits(reinterpret_cast<uintptr_t>(&range));
    }
  };

  ABSL_ATTRIBUTE_COLD static bool NoteReserved(void* ground, void* start,
                                               size_t bytes);
  ABSL_ATTRIBUTE_COLD Slice* RefineSlow(const void* ptr, Slice* found);
  ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE OwnRange* FirstEndingBehind(
      const void* address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // By such an arena already, in part.
  ABSL_ATTRIBUTE_COLD bool IsInUse(const void* start, size_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD bool Add(OwnGround* ground, void* start, size_t bytes,
                               bool is_reserved);
  ABSL_ATTRIBUTE_COLD OwnRange* NewRange()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ABSL_ATTRIBUTE_COLD OwnGround* NewGround();
  ABSL_ATTRIBUTE_COLD void GiveUp(OwnGround* ground);

  MetadataAllocator& metadata_;
  HugeMappings& huge_;
  ArenaRegistry& registry_;
  uint64_t (*const seed_)();
  Mutex mutex_{LockRank::kOwnMemory};
  Treap<OwnRange, Order> ranges_ ABSL_GUARDED_BY(mutex_);
  OwnRange* spare_ ABSL_GUARDED_BY(mutex_) = nullptr;
  void* spare_grounds_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::atomic<OwnRange*> records_{nullptr};
  std::atomic<uint32_t> num_guests_{0};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_OWN_MEMORY_H_
