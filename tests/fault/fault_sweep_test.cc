// For each scenario, page-source call 1, 2, 3, ... fails, once and from then on
// for ever, until the scenario gets through without a failure: what can't be
// had is NULL and kNoMemory, what was there stays, nothing leaks.
#include <errno.h>

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "tests/fault/scene.h"

namespace myonly::internal {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr int kErrno = 12345;

struct Scenario {
  const char* name;
  size_t reservation_bytes;
  void (*run)(Scene& scene);
};

void PrintTo(const Scenario& scenario, std::ostream* out) {
  *out << scenario.name;
}

void SmallBlocks(Scene& scene) {
  for (size_t i = 0; i < 2000; ++i) scene.Allocate(i % 500);
}

void Growth(Scene& scene) {
  for (size_t i = 0; i < 200; ++i) scene.Allocate(40 * kKiB);
}

void FillAndRefill(Scene& scene) {
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < 100; ++i) scene.Allocate(1000 + i * 300);
    scene.FreeAll();
  }
}

void Zeroed(Scene& scene) {
  for (int round = 0; round < 2; ++round) {
    for (size_t size :
         {100 * size_t{1}, 5 * kKiB, 64 * kKiB, 3 * kMiB, 9 * kMiB}) {
      scene.AllocateZeroed(size);
    }
    scene.FreeAll();
  }
}

void Aligned(Scene& scene) {
  for (size_t alignment = 32; alignment <= 16 * kMiB; alignment *= 4) {
    scene.AllocateAligned(100, alignment);
    scene.AllocateAligned(100 * kKiB, alignment);
    scene.AllocateAligned(9 * kMiB, alignment);
  }
}

void Large(Scene& scene) {
  for (size_t i = 0; i < 10; ++i) scene.Allocate(kMiB + i * 100 * kKiB);
  while (scene.num_blocks() > 3) scene.Free(scene.num_blocks() / 2);
  for (size_t i = 0; i < 4; ++i) scene.Allocate(4 * kMiB);
}

void Huge(Scene& scene) {
  for (size_t i = 0; i < 5; ++i) scene.Allocate((9 + i) * kMiB);
  scene.FreeAll();
  // Kept ones are cut, and grown.
  scene.Allocate(10 * kMiB);
  scene.Allocate(30 * kMiB);
  scene.Allocate(9 * kMiB);
  scene.FreeAll();
}

void HugeWithoutCache(Scene& scene) {
  scene.ground().huge().set_cache_floor_bytes(0);
  Huge(scene);
}

void ReallocGrow(Scene& scene) {
  if (!scene.Allocate(100)) return;
  for (size_t size = 200; size <= 32 * kMiB; size *= 2) {
    scene.Reallocate(0, size);
    // In the way of growing in place, at times.
    if (size % 3 == 0) scene.Allocate(size);
  }
}

void ReallocShrink(Scene& scene) {
  if (!scene.Allocate(32 * kMiB)) return;
  for (size_t size = 20 * kMiB; size >= 100; size /= 2) {
    scene.Reallocate(0, size);
  }
}

void ReallocHuge(Scene& scene) {
  if (!scene.Allocate(9 * kMiB)) return;
  for (size_t mib : {12, 40, 10, 41, 9}) scene.Reallocate(0, mib * kMiB);
}

void ArenaCreate(Scene& scene) {
  for (size_t i = 0; i < 40; ++i) {
    Arena* arena = scene.CreateArena();
    if (arena == nullptr) continue;
    scene.AllocateFrom(*arena, 100);
    scene.AllocateFrom(*arena, kMiB);
  }
}

void ArenaReset(Scene& scene) {
  Arena* arena = scene.CreateArena();
  if (arena == nullptr) return;
  for (int round = 0; round < 3; ++round) {
    for (size_t size : {100 * size_t{1}, 30 * kKiB, kMiB, 9 * kMiB}) {
      scene.AllocateFrom(*arena, size);
      scene.Allocate(size);
    }
    scene.ResetArena(arena);
    scene.Check();
  }
}

void ArenaDestroy(Scene& scene) {
  for (int round = 0; round < 3; ++round) {
    Arena* arena = scene.CreateArena();
    if (arena == nullptr) continue;
    for (size_t size : {100 * size_t{1}, 30 * kKiB, kMiB, 9 * kMiB}) {
      scene.AllocateFrom(*arena, size);
      scene.Allocate(size);
    }
    scene.DestroyArena(arena);
    scene.Check();
  }
}

void Batch(Scene& scene) {
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < 500; ++i) scene.Allocate(2 * kKiB);
    while (scene.num_blocks() > 100) scene.Free(0);
  }
}

void PurgeBetween(Scene& scene) {
  scene.ground().runs().set_dirty_floor_bytes(0);
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < 40; ++i) scene.Allocate(20 * kKiB + i * 16 * kKiB);
    while (scene.num_blocks() > 10) scene.Free(scene.num_blocks() / 3);
    scene.Allocate(9 * kMiB);
    scene.Purge();
    scene.Check();
  }
}

void Mixed(Scene& scene) {
  scene.ground().runs().set_dirty_floor_bytes(0);
  uint64_t state = 1;
  const auto below = [&state](size_t bound) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<size_t>(state >> 33) % bound;
  };
  constexpr size_t kBounds[] = {200, 5000, 100 * kKiB, 2 * kMiB, 12 * kMiB};
  for (int i = 0; i < 300; ++i) {
    const size_t size = below(kBounds[below(5)]);
    const size_t choice = below(10);
    if (choice < 5 || scene.num_blocks() == 0) {
      scene.Allocate(size);
    } else if (choice < 6) {
      scene.AllocateAligned(size, size_t{16} << below(12));
    } else if (choice < 8) {
      scene.Reallocate(below(scene.num_blocks()), size + 1);
    } else {
      scene.Free(below(scene.num_blocks()));
    }
  }
}

const Scenario kScenarios[] = {
    {"SmallBlocks", 64 * kMiB, SmallBlocks},
    {"Growth", 64 * kMiB, Growth},
    {"GrowthInSmallReservations", 2 * kMiB, Growth},
    {"FillAndRefill", 64 * kMiB, FillAndRefill},
    {"Zeroed", 64 * kMiB, Zeroed},
    {"Aligned", 64 * kMiB, Aligned},
    {"Large", 64 * kMiB, Large},
    {"LargeInSmallReservations", 8 * kMiB, Large},
    {"Huge", 64 * kMiB, Huge},
    {"HugeWithoutCache", 64 * kMiB, HugeWithoutCache},
    {"ReallocGrow", 64 * kMiB, ReallocGrow},
    {"ReallocShrink", 64 * kMiB, ReallocShrink},
    {"ReallocHuge", 64 * kMiB, ReallocHuge},
    {"ArenaCreate", 64 * kMiB, ArenaCreate},
    {"ArenaReset", 64 * kMiB, ArenaReset},
    {"ArenaDestroy", 64 * kMiB, ArenaDestroy},
    {"Batch", 64 * kMiB, Batch},
    {"PurgeBetween", 64 * kMiB, PurgeBetween},
    {"Mixed", 64 * kMiB, Mixed},
};

class FaultSweepTest : public ::testing::TestWithParam<Scenario> {
 protected:
  // Runs the scenario while the calls that `fail` names fail. True if any did.
  template <typename Fail>
  bool RunWith(Fail fail) {
    Scene scene(GetParam().reservation_bytes);
    fail(scene.fake());
    errno = kErrno;
    GetParam().run(scene);
    EXPECT_EQ(errno, kErrno);
    const bool failed = scene.fake().TakeFailed();
    scene.fake().StopFailing();
    scene.Check();
    scene.FreeAll();
    scene.ExpectWorks();
    scene.ExpectNothingLeaks();
    return failed;
  }

  template <typename Fail>
  void Sweep(Fail fail) {
    int64_t n = 0;
    while (RunWith([&](FakePageSource& fake) { fail(fake, n); })) {
      ASSERT_FALSE(HasFailure()) << "call " << n << " failed";
      ASSERT_LT(++n, 5000) << "the sweep does not end";
    }
    EXPECT_FALSE(HasFailure()) << "without failing calls";
    EXPECT_GE(n, 1) << "the scenario needs no pages";
    RecordProperty("failing_calls", std::to_string(n));
  }
};

TEST_P(FaultSweepTest, EachCallFailsOnce) {
  Sweep([](FakePageSource& fake, int64_t n) { fake.FailCall(n); });
}

TEST_P(FaultSweepTest, EveryCallFailsFromEachOn) {
  Sweep([](FakePageSource& fake, int64_t n) { fake.FailFrom(n); });
}

INSTANTIATE_TEST_SUITE_P(Scenarios, FaultSweepTest,
                         ::testing::ValuesIn(kScenarios), [](const auto& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace myonly::internal
