// What an arena is charged, against an independent count: of the pages that the
// page source granted, those that are the arena's or its threads' shares'.
#include <stdlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "allocator/arena/arena.h"
#include "allocator/arena/sub_heap.h"
#include "allocator/base/sizes.h"
#include "allocator/base/status.h"
#include "allocator/large/slice_cache.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"
#include "tests/arena/ground.h"
#include "tests/arena/in_zeros.h"

namespace myonly::internal {
namespace {

class ChargedTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  static constexpr size_t kLimit = size_t{40} << 20;
  using Verb = FakePageSource::Verb;

  // TEST_STEPS makes it longer.
  static int Steps() {
    const char* text = getenv("TEST_STEPS");
    return text == nullptr ? 1500 : atoi(text);
  }

  void SetUp() override {
    ArenaOptions options;
    options.limit_bytes = kLimit;
    parent_.Open(options);
    options.limit_bytes = kLimit * 3 / 4;
    for (Arena& child : children_) child.Open(options, &parent_.quota());
    for (size_t i = 0; i < 2; ++i) {
      ASSERT_TRUE(children_[i].OpenShare(&*shares_[i]));
    }
  }

  // Walks what was committed slice by slice, and asks for each mapping.
  size_t Held(const Arena& arena) {
    size_t held = 0;
    for (const FakePageSource::Call& call : pages_.journal()) {
      if (!call.ok) continue;
      auto* start = static_cast<char*>(call.start);
      if (call.verb == Verb::kCommit) {
        // Descriptors are committed below, in the same way.
        for (size_t i = 0; i < call.bytes; i += kSliceSize) {
          const Slice* slice = ground_.runs().Find(start + i);
          if (slice != nullptr && seen_.insert(slice).second) {
            slices_.push_back(slice);
          }
        }
      } else if (call.verb != Verb::kPurge && call.verb != Verb::kDecommit) {
        // Also what begins in it: of what was freed a part may be used again.
        for (size_t i = 0; i < call.bytes; i += size_t{2} << 20) {
          places_.insert(start + i);
        }
      }
    }
    for (const Slice* slice : slices_) {
      // A slice of a free run tells of the run it was in before.
      const Slice* run = ground_.runs().FindRun(slice);
      if (run == nullptr) continue;
      const RunKind kind = run->kind;
      const bool is_share =
          kind == RunKind::kSlab || kind == RunKind::kSubHeapRegion;
      const void* owner =
          is_share ? &static_cast<SubHeap*>(run->owner)->arena() : run->owner;
      if (!is_share && kind != RunKind::kRegion && kind != RunKind::kLarge) {
        continue;
      }
      const auto index = static_cast<size_t>(run - slice);
      if (owner == &arena && index < run->run_slices) held += kSliceSize;
    }
    std::set<const HugeMapping*> mappings;
    for (char* place : places_) {
      const HugeMapping* mapping = ground_.huge().Find(place);
      if (mapping != nullptr && mapping->owner == &arena &&
          mappings.insert(mapping).second) {
        held += mapping->bytes;
      }
    }
    return held;
  }

  void ExpectCharged() {
    const size_t own[] = {Held(children_[0]), Held(children_[1])};
    ASSERT_EQ(children_[0].quota().charged_bytes(), own[0]);
    ASSERT_EQ(children_[1].quota().charged_bytes(), own[1]);
    ASSERT_EQ(parent_.quota().own_bytes(), Held(parent_));
    ASSERT_EQ(parent_.quota().charged_bytes(),
              parent_.quota().own_bytes() + own[0] + own[1]);
    ASSERT_LE(parent_.quota().charged_bytes(), kLimit);
    // What a thread keeps for its next slab is charged to nobody.
    ASSERT_EQ(parent_.quota().charged_bytes() + cache_.bytes(),
              ground_.runs().live_bytes() + ground_.huge().live_bytes());
  }

  // A thread's share of the arena; NULL: none, for the parent.
  SubHeap* ShareOf(const Arena& arena) {
    for (size_t i = 0; i < 2; ++i) {
      if (&arena == &children_[i]) return &*shares_[i];
    }
    return nullptr;
  }

  void* Allocate(Arena& arena, size_t size, Status* status) {
    SubHeap* share = ShareOf(arena);
    return share == nullptr || random_() % 4 == 0
               ? arena.Allocate(size, status)
               : share->Allocate(size, kMinAlignment, status);
  }

  void Step() {
    Arena& arena = random_() % 3 == 0 ? parent_ : children_[random_() % 2];
    Status status = Status::kOk;
    const size_t size = 1 + random_() % (size_t{16} << (random_() % 21));
    void** at =
        blocks_.empty() ? nullptr : &blocks_[random_() % blocks_.size()];
    const size_t what = random_() % 100;
    if (what < 50 || at == nullptr) {
      void* block = Allocate(arena, size, &status);
      if (block != nullptr) blocks_.push_back(block);
    } else if (what < 70 && !ground_.IsOfShare(*at)) {
      void* moved = ground_.Reallocate(*at, size, &status);
      if (moved != nullptr) *at = moved;
    } else if (what < 98) {
      ground_.Free(*at);
      *at = blocks_.back();
      blocks_.pop_back();
    } else if (what == 98) {
      arena.Purge();
    } else {
      const auto is_of = [&](void* block) {
        return ground_.OwnerOf(block) == &arena;
      };
      blocks_.erase(std::remove_if(blocks_.begin(), blocks_.end(), is_of),
                    blocks_.end());
      arena.Reset(random_() % 2 == 0 ? &cache_ : nullptr);
    }
    if (status == Status::kQuota) ++refused_;
  }

  FakePageSource pages_;
  Ground ground_{pages_};
  Arena parent_{ground_.runs(), ground_.huge(), TestSeed, "parent"};
  Arena children_[2] = {{ground_.runs(), ground_.huge(), TestSeed, "first"},
                        {ground_.runs(), ground_.huge(), TestSeed, "second"}};
  SliceCache cache_;
  // Of one thread.
  static constexpr uintptr_t kToken = 0x10000;
  InZeros<SubHeap> shares_[2] = {
      InZeros<SubHeap>(children_[0], ground_.runs(), ground_.huge(), TestSeed,
                       kToken, &cache_),
      InZeros<SubHeap>(children_[1], ground_.runs(), ground_.huge(), TestSeed,
                       kToken, &cache_)};
  std::mt19937 random_{GetParam()};
  std::vector<void*> blocks_;
  std::vector<const Slice*> slices_;
  std::set<const Slice*> seen_;
  std::set<char*> places_;
  size_t refused_ = 0;
};

TEST_P(ChargedTest, IsWhatTheArenaHoldsOfWhatWasGranted) {
  for (int i = 0; i < Steps(); ++i) {
    Step();
    ASSERT_NO_FATAL_FAILURE(ExpectCharged()) << i;
  }
  EXPECT_GT(refused_, 0U);
}

// Of calls that fail nothing stays charged.
TEST_P(ChargedTest, IsThatAlsoWhenTheSourceFails) {
  for (int i = 0; i < Steps(); ++i) {
    pages_.FailCall(random_() % 3);
    Step();
    ASSERT_NO_FATAL_FAILURE(ExpectCharged()) << i;
  }
  EXPECT_TRUE(pages_.TakeFailed());
}

INSTANTIATE_TEST_SUITE_P(Seeds, ChargedTest, ::testing::Range(1u, 4u));

}  // namespace
}  // namespace myonly::internal
