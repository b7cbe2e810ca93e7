// Recently freed blocks, one list for every few sizes, the last one first. They
// are not coalesced and look used to their neighbours, so that neither freeing
// nor taking one changes any.
//
// Bounded: what they hold never passes the limit.
// Externally synchronised.
#ifndef MYONLY_ALLOCATOR_BLOCKS_QUICK_LISTS_H_
#define MYONLY_ALLOCATOR_BLOCKS_QUICK_LISTS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/check.h"
#include "allocator/base/free_mark.h"
#include "allocator/base/peek.h"
#include "allocator/base/preset.h"
#include "allocator/base/sizes.h"
#include "allocator/base/zeroed_memory.h"
#include "allocator/blocks/bin_index.h"
#include "allocator/blocks/block.h"
#include "allocator/blocks/block_list.h"

namespace myonly::internal {

class QuickLists {
 public:
  constexpr QuickLists() : heads_{} {}
  explicit QuickLists(InZeroedMemory /*where*/) {}

  static constexpr size_t kMinLimitBytes = size_t{128} << 10;

  // `owner` is whose lists these are, the same in all calls: blocks in them are
  // marked with its address and their link.

  // The payload of a list's first block, used again, or NULL. Dies if it was
  // written to where its link is; its seal is left for whoever frees or
  // coalesces it to look at.
  void* Take(size_t index, const void* owner) {
    QuickBlock* first = heads_[index];
    if (ABSL_PREDICT_FALSE(first == nullptr)) return nullptr;
    QuickBlock* next = first->next;
    if constexpr (kChecksObjects) {
      if (ABSL_PREDICT_FALSE(ToggleMark(&first->mark, Mark(owner, next)))) {
        ReportOverwritten(first);
      }
    }
    FoldOffset<kQuickOffsetLarger>(&index);
    heads_[index] = next;
    room_ += Block::FromPayload(first)->ClearQuick();
    return first;
  }
  // The same for a block of at least `bytes`, a result of Block::BytesFor, also
  // of the next list, whose blocks are 1/32 larger: cutting one off, and
  // coalescing it later, costs more. Its payload is at a multiple of
  // `alignment`: of each list only the first one is looked at.
  void* TakeFor(size_t bytes, size_t alignment, const void* owner) {
    if (ABSL_PREDICT_FALSE(bytes > kMaxQuickBytes)) return nullptr;
    const size_t index = QuickIndexFor(bytes);
    for (size_t i = index; i <= index + kListsLarger; ++i) {
      const QuickBlock* first = heads_[i];
      if (first != nullptr &&
          (reinterpret_cast<uintptr_t>(first) & (alignment - 1)) == 0) {
        return Take(i, owner);
      }
    }
    return nullptr;
  }

  // A block of so many bytes is in use from now on that did not come from a
  // list. Looking for blocks to flush is quick for who is told.
  void NoteNew(size_t bytes) { Expect(QuickIndex(bytes)); }

  // Takes a block with the live tag `word`. False, and nothing done, if the
  // lists hold enough.
  bool Free(Block* block, uint64_t word, const void* owner) {
    const size_t bytes = Block::SizeIn(word);
    if (ABSL_PREDICT_FALSE(!TakeRoom(bytes))) return false;
    Push(block->payload(), bytes, owner);
    return true;
  }

  // The fast path of freeing: Free for an address that is a live block's under
  // `key`. False, and nothing done: it is not, or not so fast. Of the tag
  // behind the block it only sees whether it knows this one's size.
  ABSL_ATTRIBUTE_ALWAYS_INLINE bool FreeIfLive(void* ptr, uint64_t key,
                                               const void* owner) {
    Block* block = Block::FromPayload(ptr);
    const uint64_t word = Block::LoadAnywhere(block);
    if (ABSL_PREDICT_FALSE(!Block::IsSealedUsed(block, key, word))) {
      return false;
    }
    const size_t bytes = Block::SizeIn(word);
    if (ABSL_PREDICT_FALSE(!block->Next(bytes)->FollowsSize(bytes) ||
                           !TakeRoom(bytes))) {
      return false;
    }
    Push(ptr, bytes, owner);
    return true;
  }

  // The same for a block that has the quick flag already: it never looks alive.
  bool FreePosted(Block* block, uint64_t key, const void* owner) {
    const uint64_t word = Block::WithoutQuick(block->Load());
    const size_t bytes = Block::SizeIn(word);
    if (ABSL_PREDICT_FALSE(!Block::IsSealedUsed(block, key, word) ||
                           !block->Next(bytes)->FollowsSize(bytes) ||
                           !TakeRoom(bytes))) {
      return false;
    }
    Push(block->payload(), bytes, owner);
    return true;
  }

  // Takes a block out of some list; there is one. Lists in turn, each to its
  // end: what nobody wants any more does not stay. Dies if its tag was
  // overwritten. It keeps the quick flag, so that it never looks alive.
  ABSL_ATTRIBUTE_NOINLINE Block* TakeOldest(uint64_t key, const void* owner) {
    flush_index_ = NextFrom(flush_index_);
    QuickBlock* first = heads_[flush_index_];
    QuickBlock* next = first->next;
    if (kChecksObjects &&
        ABSL_PREDICT_FALSE(first->mark != Mark(owner, next))) {
      ReportOverwritten(first);
    }
    heads_[flush_index_] = next;
    Block* block = Block::FromPayload(first);
    room_ += block->size();
    if (ABSL_PREDICT_FALSE(!block->IsSealed(key))) {
      ReportAndAbort("overwritten header of a free block", block->payload());
    }
    return block;
  }

  // Forgets all blocks.
  ABSL_ATTRIBUTE_COLD void Reset() {
    memset(heads_, 0, sizeof(heads_));
    memset(expected_, 0, sizeof(expected_));
    flush_index_ = 0;
    room_ = limit_bytes_;
  }

  // Requests that were served, by them or not, as their owner counts.
  void NoteRequest() { ++requests_; }
  uint64_t requests() const { return requests_; }
  uint64_t PeekRequests() const { return Peek(requests_); }
  void set_requests(uint64_t requests) { requests_ = requests; }

  size_t bytes() const { return limit_bytes_ - room_; }
  // The same by who holds no lock.
  size_t PeekBytes() const {
    const size_t limit = Peek(limit_bytes_);
    const size_t held = limit - Peek(room_);
    return held <= limit ? held : 0;
  }
  size_t limit_bytes() const { return limit_bytes_; }
  // At least what they hold.
  void set_limit_bytes(size_t limit) {
    const size_t held = bytes();
    limit_bytes_ = Max(limit, held);
    room_ = limit_bytes_ - held;
  }

  // False if a block in them is not what it should be.
  ABSL_ATTRIBUTE_COLD bool Check(const BlockListCheck& check,
                                 const void* owner) const {
    size_t sum = 0;
    for (size_t i = 0; i < kNumQuickLists; ++i) {
      for (QuickBlock* quick = heads_[i]; quick != nullptr;
           quick = quick->next) {
        if (!check.CheckOne(Block::FromPayload(quick), /*quick=*/true, i,
                            bytes(), &sum)) {
          return false;
        }
        if (kChecksObjects && quick->mark != Mark(owner, quick->next)) {
          return check.broken->Is("overwritten free block", quick);
        }
      }
    }
    return sum == bytes() || check.broken->Is("lost free blocks", this);
  }

 private:
  static constexpr size_t kListsLarger = 1;
  static_assert(QuickIndexFor(kMaxQuickBytes) + kListsLarger < kNumQuickLists);

  // Proves the link, too: a block whose link has been changed has no mark. A
  // sum, which is one instruction where both terms are needed afterwards.
  static uintptr_t Mark(const void* owner, const QuickBlock* next) {
    return reinterpret_cast<uintptr_t>(owner) +
           reinterpret_cast<uintptr_t>(next);
  }
  [[noreturn]] ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE static void
  ReportOverwritten(const QuickBlock* block) {
    ReportAndAbort("overwritten free block", block);
  }
  // Makes gcc add what an index is off by when it adds the base, each time,
  // instead of once before: an instruction less.
  template <size_t kOffset>
  static void FoldOffset(size_t* index) {
    size_t step = *index - kOffset;
    asm("" : "+r"(step));
    *index = step + kOffset;
  }
  void Push(void* payload, size_t bytes, const void* owner) {
    auto* quick = static_cast<QuickBlock*>(payload);
    size_t index = QuickIndex(bytes);
    QuickBlock* next = heads_[index];
    FoldOffset<kQuickOffset>(&index);
    Block::FromPayload(payload)->SetQuick();
    quick->next = next;
    if constexpr (kChecksObjects) quick->mark = Mark(owner, next);
    heads_[index] = quick;
  }
  // Takes `bytes` off the room there is: where it is, which takes two
  // instructions less than looking first.
  bool TakeRoom(size_t bytes) {
    room_ -= bytes;
    if (ABSL_PREDICT_TRUE(static_cast<ptrdiff_t>(room_) >= 0)) return true;
    // Or gcc keeps what was there before.
    asm("" : "+m"(room_));
    room_ += bytes;
    return false;
  }

  static constexpr size_t kBitsPerWord = 64;
  static constexpr size_t kWords = (kNumQuickLists - 1) / kBitsPerWord + 1;

  // The next list with a block, from `index` on and round. Dies if there is
  // none: a link that was overwritten has lost what the lists hold.
  size_t NextFrom(size_t index) {
    size_t next = NextExpected(index);
    if (next == kNumQuickLists) next = NextExpected(0);
    if (ABSL_PREDICT_TRUE(next != kNumQuickLists)) return next;
    for (size_t i = 0; i < kNumQuickLists; ++i) {
      if (heads_[i] != nullptr) Expect(i);
    }
    next = NextExpected(0);
    if (next == kNumQuickLists) ReportAndAbort("lost free blocks", heads_);
    return next;
  }
  // The next list with a block of those where one is expected, from `index` on;
  // kNumQuickLists: there is none.
  ABSL_ATTRIBUTE_NOINLINE size_t NextExpected(size_t index) {
    size_t word = index / kBitsPerWord;
    uint64_t bits = expected_[word] >> (index % kBitsPerWord)
                                           << (index % kBitsPerWord);
    for (;;) {
      while (bits != 0) {
        const auto bit = static_cast<size_t>(__builtin_ctzll(bits));
        const size_t next = word * kBitsPerWord + bit;
        if (heads_[next] != nullptr) return next;
        bits &= bits - 1;
        expected_[word] &= ~(uint64_t{1} << bit);
      }
      if (++word == kWords) return kNumQuickLists;
      bits = expected_[word];
    }
  }
  void Expect(size_t index) {
    expected_[index / kBitsPerWord] |= uint64_t{1} << index % kBitsPerWord;
  }

  // First, so that its place costs the fast paths no addition.
  QuickBlock* heads_[kNumQuickLists];
  // What the lists may still take. The limit less this is what they hold.
  size_t room_ = kMinLimitBytes;
  size_t limit_bytes_ = kMinLimitBytes;
  uint64_t requests_ = 0;
  size_t flush_index_ = 0;  // the list that is flushed next
  // A bit for each list that may have a block. Missing where a list was found
  // empty and its blocks came back since: NextFrom looks at all lists then.
  uint64_t expected_[kWords] = {};
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BLOCKS_QUICK_LISTS_H_
