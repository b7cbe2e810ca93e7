// The boundary tag: what is written is what is read, and nothing else passes
// for it.
#include "allocator/blocks/block.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr uint64_t kKey = 0x9fb21c651e98df25;
// A key is odd and random: one of many passes a flipped bit.
constexpr uint64_t kKeys[] = {kKey, 0x2545f4914f6cdd1d, 0xd1342543de82ef95,
                              0x9e3779b97f4a7c15};
constexpr size_t kSizes[] = {
    0, 16, 32, 48, 1024, 64 * 1024, (2 << 20), 4194288, Block::kMaxBytes};

// Memory for tags at 8 modulo 16, as in a region.
class Place {
 public:
  Block* tag(size_t index = 0) {
    return reinterpret_cast<Block*>(bytes_ + Block::kTagBytes + index * 16);
  }

 private:
  alignas(16) char bytes_[4096] = {};
};

std::vector<BoundaryTag> AllTags() {
  std::vector<BoundaryTag> tags;
  for (size_t size : kSizes) {
    for (size_t previous : kSizes) {
      for (int flags = 0; flags < 8; ++flags) {
        tags.push_back({size, previous, (flags & 1) != 0, (flags & 2) != 0,
                        (flags & 4) != 0});
      }
    }
  }
  return tags;
}

void ExpectEqual(const BoundaryTag& a, const BoundaryTag& b) {
  EXPECT_EQ(a.size, b.size);
  EXPECT_EQ(a.previous_size, b.previous_size);
  EXPECT_EQ(a.used, b.used);
  EXPECT_EQ(a.previous_free, b.previous_free);
  EXPECT_EQ(a.quick, b.quick);
}

TEST(BlockTest, EveryFieldReadsAsItWasWritten) {
  Place place;
  for (const BoundaryTag& tag : AllTags()) {
    place.tag()->Write(kKey, tag);
    ExpectEqual(place.tag()->Read(), tag);
    EXPECT_EQ(place.tag()->Load(), Block::Pack(place.tag(), kKey, tag));
    EXPECT_TRUE(place.tag()->IsSealed(kKey));
  }
}

TEST(BlockTest, SingleFieldsAgreeWithTheWholeTag) {
  for (const BoundaryTag& tag : AllTags()) {
    const uint64_t word = Block::Pack(nullptr, kKey, tag);
    EXPECT_EQ(Block::SizeIn(word), tag.size);
    EXPECT_EQ(Block::PreviousSizeIn(word), tag.previous_size);
    EXPECT_EQ(Block::IsUsed(word), tag.used);
    EXPECT_EQ(Block::IsPreviousFree(word), tag.previous_free);
  }
}

TEST(BlockTest, WritePreviousChangesOnlyWhatItSaysOfTheBlockBefore) {
  Place place;
  for (BoundaryTag tag : AllTags()) {
    place.tag()->Write(kKey, tag);
    tag.previous_size = 4096;
    tag.previous_free = !tag.previous_free;
    place.tag()->WritePrevious(kKey, place.tag()->Load(), tag.previous_size,
                               tag.previous_free);
    ExpectEqual(place.tag()->Read(), tag);
    EXPECT_TRUE(place.tag()->IsSealed(kKey));
  }
}

TEST(BlockTest, QuickListsNeedNoNewSeal) {
  Place place;
  for (BoundaryTag tag : AllTags()) {
    tag.quick = false;
    const uint64_t word = Block::Pack(place.tag(), kKey, tag);
    place.tag()->Store(word);
    place.tag()->SetQuick();
    const uint64_t quick = place.tag()->Load();
    tag.quick = true;
    EXPECT_EQ(quick, Block::Pack(place.tag(), kKey, tag));
    EXPECT_TRUE(place.tag()->IsSealed(kKey, quick));
    // But it is not a live block's tag.
    EXPECT_FALSE(place.tag()->IsSealedPlain(kKey, quick));
    EXPECT_EQ(Block::WithoutQuick(quick), word);
    EXPECT_FALSE(place.tag()->MarkQuick());
    EXPECT_EQ(place.tag()->ClearQuick(), tag.size);
    EXPECT_EQ(place.tag()->Load(), word);
    EXPECT_TRUE(place.tag()->IsSealedPlain(kKey, word));
    EXPECT_EQ(Block::IsSealedUsed(place.tag(), kKey, word), tag.used);
    EXPECT_TRUE(place.tag()->FollowsSize(tag.previous_size));
    EXPECT_TRUE(place.tag()->MarkQuick());
    EXPECT_EQ(place.tag()->Load(), quick);
  }
}

TEST(BlockTest, SealFindsEveryFlippedBit) {
  Place place;
  for (uint64_t key : kKeys) {
    for (const BoundaryTag& tag : AllTags()) {
      if (tag.quick) continue;
      const uint64_t word = Block::Pack(place.tag(), key, tag);
      ASSERT_TRUE(place.tag()->IsSealedPlain(key, word));
      for (int bit = 0; bit < 64; ++bit) {
        const uint64_t flipped = word ^ (uint64_t{1} << bit);
        ASSERT_FALSE(place.tag()->IsSealedPlain(key, flipped))
            << "bit " << bit << " of " << std::hex << word;
      }
    }
  }
}

TEST(BlockTest, SealFindsZeroesAndPlainSizes) {
  Place place;
  for (uint64_t key : kKeys) {
    EXPECT_FALSE(place.tag()->IsSealed(key, ~uint64_t{0}));
    int passed = 0;
    // Small numbers, as a program writes them: the seal may be right once in a
    // million, with the quick flag, which it leaves out, and without.
    for (uint64_t word = 0; word < 4096; ++word) {
      if (Block::WithoutQuick(word) != word) continue;
      passed += place.tag()->IsSealed(key, word) ? 1 : 0;
    }
    EXPECT_LE(passed, 1);
  }
}

// A tag that is copied elsewhere, by memcpy of a whole block say, is no tag.
TEST(BlockTest, SealDependsOnThePlace) {
  Place place;
  const uint64_t word =
      Block::Pack(place.tag(), kKey, {1024, 32, true, false, false});
  for (size_t i = 1; i < 255; ++i) {
    EXPECT_FALSE(place.tag(i)->IsSealed(kKey, word)) << i;
  }
  // An address inside a block.
  for (size_t offset = 8; offset < 4000; offset += 8) {
    EXPECT_FALSE(place.tag()->At(offset)->IsSealed(kKey, word)) << offset;
  }
}

TEST(BlockTest, SealDependsOnTheKey) {
  Place place;
  const uint64_t word =
      Block::Pack(place.tag(), kKey, {1024, 32, true, false, false});
  // The lowest bit is always set, and the highest one is a factor of both
  // terms, so that it cancels out.
  for (int bit = 1; bit < 63; ++bit) {
    EXPECT_FALSE(place.tag()->IsSealed(kKey ^ (uint64_t{1} << bit), word));
  }
}

// Without exception: an arena in a block of another one relies on it.
TEST(BlockTest, KeysThatAreApartHaveNoSealInCommon) {
  Place place;
  uint64_t key = kKey;
  for (size_t i = 0; i < 200; ++i) {
    key = (key * 6364136223846793005ULL + 1442695040888963407ULL) | 1;
    for (const BoundaryTag& tag : AllTags()) {
      if (tag.previous_size >= size_t{4} << 20) continue;
      const Block* at = place.tag(i);
      const uint64_t word = Block::Pack(at, key, tag);
      ASSERT_TRUE(at->IsSealed(key, word));
      ASSERT_FALSE(at->IsSealed(key ^ Block::kApartKeyBit, word));
    }
  }
}

TEST(BlockTest, BytesForIsTheSmallestBlockThatHoldsARequest) {
  for (size_t request = 0; request < 200000; ++request) {
    const size_t bytes = Block::BytesFor(request);
    ASSERT_EQ(bytes % Block::kGranularity, 0U) << request;
    ASSERT_GE(bytes, Block::kMinBytes) << request;
    ASSERT_GE(bytes - Block::kTagBytes, request) << request;
    // 16 bytes less would not do.
    ASSERT_TRUE(bytes == Block::kMinBytes ||
                bytes - Block::kGranularity < request + Block::kTagBytes)
        << request;
  }
}

TEST(BlockTest, PayloadFollowsTheTagAndIsAligned) {
  Place place;
  Block* block = place.tag();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(block->payload()) % 16, 0U);
  EXPECT_EQ(static_cast<char*>(block->payload()),
            reinterpret_cast<char*>(block) + Block::kTagBytes);
  EXPECT_EQ(Block::FromPayload(block->payload()), block);
}

TEST(BlockTest, NeighboursAreFoundFromTheTag) {
  Place place;
  Block* first = place.tag(0);
  Block* second = place.tag(3);
  first->Write(kKey, {48, 0, true, false, false});
  second->Write(kKey, {64, 48, true, false, false});
  EXPECT_EQ(first->Next(), second);
  EXPECT_EQ(first->Next(48), second);
  EXPECT_EQ(second->Previous(second->Read().previous_size), first);
  EXPECT_EQ(second->usable_bytes(), 64 - Block::kTagBytes);
}

// The links of a free block are not in the tag of it, nor in that of the next.
TEST(BlockTest, LinksLieInThePayload) {
  Place place;
  Block* first = place.tag(0);
  Block* second = place.tag(Block::kMinBytes / 16);
  first->Write(kKey, {Block::kMinBytes, 0, false, false, false});
  second->Write(kKey, {64, Block::kMinBytes, true, true, false});
  first->next_free() = second;
  first->previous_free() = second;
  EXPECT_TRUE(first->IsSealed(kKey));
  EXPECT_TRUE(second->IsSealed(kKey));
  // What is marked in a quick list comes first, the link behind it.
  auto* quick = static_cast<QuickBlock*>(first->payload());
  EXPECT_EQ(static_cast<void*>(&quick->mark), first->payload());
  EXPECT_EQ(static_cast<void*>(&first->previous_free()), first->payload());
}

}  // namespace
}  // namespace myonly::internal
