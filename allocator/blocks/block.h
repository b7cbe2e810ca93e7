// A block and its boundary tag: eight bytes before the payload, from which both
// neighbours can be found.
//
//   63         44 43              24 23          4  3   2     1     0
//   [ seal : 20  ][ previous / 16:20 ][ size / 16:20 ][ aged quick pfree used ]
//
//   size      of this block, tag included; 0 in the sentinel that ends a region
//   previous  size of the block before it; 0 in a region's first block
//   used      the block is allocated, or waits in a quick list
//   pfree     the block before it is free
//   quick     it waits in a quick list: used, but not the program's
//   aged      a free block that has been seen free before; the top bit of its
//             size tells that its pages were purged
//   seal      a keyed hash of the tag's place and of all but `quick`, so that
//             an overwritten tag, or payload taken for a tag, is recognised
//
// Tags lie at 8 modulo 16, payloads at 0. A free block holds its list links in
// the first 16 bytes of its payload. Only this file knows the layout.
//
// Tags are written by the region's owner; the size of a block in use may be
// read by the thread that owns it while a neighbour's free rewrites the tag,
// hence the atomic access. Others may walk over the blocks at any time
// (block_reader.h): when one is cut the tag of the new one is written first,
// when two are joined that of the old one last.
#ifndef MYONLY_ALLOCATOR_BLOCKS_BLOCK_H_
#define MYONLY_ALLOCATOR_BLOCKS_BLOCK_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/check.h"
#include "allocator/base/free_link.h"
#include "allocator/base/peek.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"

namespace myonly::internal {

// The unpacked tag.
struct BoundaryTag {
  size_t size;
  size_t previous_size;
  bool used;
  bool previous_free;
  bool quick;
  bool aged = false;
  bool purged = false;
};

class Block {
 public:
  static constexpr size_t kTagBytes = 8;
  static constexpr size_t kGranularity = 16;
  static constexpr size_t kMinBytes = 32;
  static constexpr size_t kMaxBytes = ((size_t{1} << 19) - 1) * kGranularity;

  static Block* FromPayload(void* payload) {
    return reinterpret_cast<Block*>(static_cast<char*>(payload) - kTagBytes);
  }
  void* payload() { return reinterpret_cast<char*>(this) + kTagBytes; }
  // Of a block whose payload bore no links: what begins there may be the mark
  // of an object that was here before. A program that copies what it has not
  // written would make an object by that which looks free.
  void ClearFirstWord() {
    if (kChecksObjects) *static_cast<uintptr_t*>(payload()) = 0;
  }

  // The block size that holds `request` bytes.
  static constexpr size_t BytesFor(size_t request) {
    const size_t bytes = AlignUp(request + kTagBytes, kGranularity);
    return bytes < kMinBytes ? kMinBytes : bytes;
  }

  // Keys are random and odd. Two that differ in this bit alone have no seal of
  // a tag in common (of blocks below 4 MiB): as the sum in Product and the key
  // are the same modulo 8, the products differ by a half of all numbers.
  static constexpr uint64_t kApartKeyBit = uint64_t{1} << 62;

  // How a tag with these fields reads at this place under `key`.
  static uint64_t Pack(const Block* place, uint64_t key,
                       const BoundaryTag& tag) {
    const uint64_t low =
        uint64_t{tag.size} | (uint64_t{tag.previous_size} << 20) |
        (tag.used ? kUsed : 0) | (tag.previous_free ? kPreviousFree : 0) |
        (tag.aged ? kAged : 0) | (tag.purged ? kPurged : 0);
    return low | Seal(place, key, low) | (tag.quick ? kQuick : 0);
  }

  static constexpr size_t SizeIn(uint64_t word) { return word & kSizeMask; }
  static BoundaryTag Unpack(uint64_t word) {
    return {SizeIn(word),         (word >> 20) & kSizeMask,
            (word & kUsed) != 0,  (word & kPreviousFree) != 0,
            (word & kQuick) != 0, (word & kAged) != 0,
            (word & kPurged) != 0};
  }

  // The fields of a word that the fast paths need by themselves.
  static constexpr size_t PreviousSizeIn(uint64_t word) {
    return (word >> 20) & kSizeMask;
  }
  static constexpr bool IsPreviousFree(uint64_t word) {
    return (word & kPreviousFree) != 0;
  }

  uint64_t Load() const { return __atomic_load_n(&word_, __ATOMIC_RELAXED); }
  // The same by who neither owns the block nor holds a lock.
  uint64_t Peek() const { return internal::Peek(word_); }
  void Store(uint64_t word) {
    __atomic_store_n(&word_, word, __ATOMIC_RELAXED);
  }
  void Write(uint64_t key, const BoundaryTag& tag) {
    Store(Pack(this, key, tag));
  }
  BoundaryTag Read() const { return Unpack(Load()); }
  // The same after all that was written before: whoever reads this one finds
  // that.
  void Publish(uint64_t word) {
    __atomic_store_n(&word_, word, __ATOMIC_RELEASE);
  }
  void Publish(uint64_t key, const BoundaryTag& tag) {
    Publish(Pack(this, key, tag));
  }

  // Writes a tag of which `word` is right but for what it says of the block
  // before.
  void WritePrevious(uint64_t key, uint64_t word, size_t previous_size,
                     bool previous_free) {
    const uint64_t low = (word & (kSizeMask | kUsed)) |
                         (uint64_t{previous_size} << 20) |
                         (previous_free ? kPreviousFree : 0);
    Store(low | Seal(this, key, low) | (word & kQuick));
  }

  size_t size() const { return SizeIn(Load()); }
  size_t usable_bytes() const { return size() - kTagBytes; }

  // The tag is what this library wrote here under `key`.
  bool IsSealed(uint64_t key, uint64_t word) const {
    return IsSealedPlain(key, WithoutQuick(word));
  }
  bool IsSealed(uint64_t key) const { return IsSealed(key, Load()); }
  // The same for a tag whose quick flag must not be set either.
  bool IsSealedPlain(uint64_t key, uint64_t word) const {
    return IsSealedPlain(this, key, word);
  }

  // For addresses of which nobody knows yet whether a tag is there: they need
  // not even be aligned, which x86-64 allows and C++ does not.
  ABSL_ATTRIBUTE_NO_SANITIZE_UNDEFINED
  static uint64_t LoadAnywhere(const Block* place) {
    return __atomic_load_n(&place->word_, __ATOMIC_RELAXED);
  }
  static bool IsSealedPlain(const Block* place, uint64_t key, uint64_t word) {
    return (Product(place, key, word) ^ word) >> kSealShift == 0;
  }

  // IsSealedPlain and IsUsed at once: the seal of a free block's tag does not
  // fit when the tag says used.
  static bool IsSealedUsed(const Block* place, uint64_t key, uint64_t word) {
    return (Product(place, key, word | kUsed) ^ word) >> kSealShift == 0;
  }
  // This tag says that the block before has `bytes`.
  bool FollowsSize(size_t bytes) const {
    return PreviousSizeIn(Load()) == bytes;
  }

  static constexpr bool IsUsed(uint64_t word) { return (word & kUsed) != 0; }
  // Not a live block's any more, and its seal is broken.
  // IsSealedUsed sets the bit before it looks: the seal of a used one would
  // fit.
  static constexpr uint64_t WithoutUsed(uint64_t word) {
    return (word & ~kUsed) ^ kSealMask;
  }
  // Of a free one, whose memory is a part of a larger block's by now.
  void BreakSeal() { Publish(Load() ^ kSealMask); }
  // Into and out of a quick list: the one change that needs no new seal.
  // Plainly, as nobody else looks at the tag of a block that is not live.
  void SetQuick() { word_ |= kQuick; }
  size_t ClearQuick() {
    const size_t bytes = SizeIn(word_);
    // Two instructions less where the word is changed in place.
    asm("" : "+m"(word_));
    word_ &= ~kQuick;
    return bytes;
  }
  static constexpr uint64_t WithoutQuick(uint64_t word) {
    return word & ~kQuick;
  }

  // Sets the quick flag while others may. False: it was set.
  bool MarkQuick() {
    return (__atomic_fetch_or(&word_, kQuick, __ATOMIC_RELAXED) & kQuick) == 0;
  }

  // Neighbours. Previous() is valid only if previous_size is not 0.
  Block* Next() { return At(size()); }
  Block* Next(size_t size) { return At(size); }
  Block* Previous(size_t previous_size) {
    return reinterpret_cast<Block*>(reinterpret_cast<char*>(this) -
                                    previous_size);
  }
  Block* At(size_t offset) {
    return reinterpret_cast<Block*>(reinterpret_cast<char*>(this) + offset);
  }

  // Links of a free block, in its payload: to what lies at so much modulo 16,
  // and below the kernel's addresses; or NULL.
  template <size_t kAt>
  struct LinkRule {
    static bool IsGood(const void* /*place*/, uintptr_t address) {
      return ABSL_PREDICT_TRUE((address & kNoAddress) == kAt) || address == 0;
    }
    [[noreturn]] ABSL_ATTRIBUTE_COLD static void Report(const void* place) {
      const auto link = reinterpret_cast<uintptr_t>(place);
      ReportAndAbort(
          "overwritten free block",
          reinterpret_cast<const void*>(AlignDown(link, kGranularity)));
    }
    static constexpr uintptr_t kNoAddress =
        ~((uintptr_t{1} << 47) - 1) | (kGranularity - 1);
  };
  using Link = FreeLink<Block, LinkRule<kTagBytes>>;
  Link& next_free() { return next_free_; }
  Link& previous_free() { return previous_free_; }

 private:
  static constexpr uint64_t kUsed = 1;
  static constexpr uint64_t kPreviousFree = 2;
  static constexpr uint64_t kQuick = 4;
  static constexpr uint64_t kAged = 8;
  static constexpr uint64_t kPurged = uint64_t{1} << 23;
  static constexpr uint64_t kSizeMask = ((uint64_t{1} << 19) - 1) << 4;
  static constexpr int kSealShift = 44;
  static constexpr uint64_t kSealMask = ~uint64_t{0} << kSealShift;

  // The top bits of a product depend on all bits of its factors: they are the
  // seal. As the key is a factor, what two seals differ by says nothing of a
  // third one (Dietzfelbinger et al., "A Reliable Randomized Algorithm for the
  // Closest-Pair Problem", 1997).
  static uint64_t Product(const Block* place, uint64_t key, uint64_t word) {
    // The shift drops the seal itself.
    return (((word << (64 - kSealShift)) ^ key) +
            reinterpret_cast<uintptr_t>(place)) *
           key;
  }
  static uint64_t Seal(const Block* place, uint64_t key, uint64_t low) {
    return Product(place, key, low) & kSealMask;
  }

  uint64_t word_;
  Link previous_free_;
  Link next_free_;
};
static_assert(sizeof(Block) <= Block::kMinBytes, "links fit a free block");

// A block in a quick list, from its payload on, which is what the program gets.
// The mark comes first, as that of an object does (pages/slice.h).
struct QuickBlock {
  uintptr_t mark;
  FreeLink<QuickBlock, Block::LinkRule<0>> next;
};
static_assert(sizeof(QuickBlock) + Block::kTagBytes <= Block::kMinBytes,
              "they fit a free block");
static_assert(Block::kTagBytes == sizeof(uint64_t));
static_assert(Block::kMaxBytes >= size_t{2} << 20, "a region is one block");

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BLOCKS_BLOCK_H_
