// Limits of arenas, trees of them, and what callbacks are told.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "allocator/base/preset.h"
#include "capi/cpp/allocator.h"
#include "capi/cpp/arena.h"
#include "capi/cpp/arena_ref.h"
#include "myonly/myonly.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace myonly {
namespace {

constexpr size_t kMiB = 1 << 20;

arena_options Limited(size_t limit_bytes, arena_ref parent = nullptr) {
  arena_options options;
  options.limit_bytes = limit_bytes;
  options.parent = parent;
  return options;
}

// Allocates blocks of 10,000 bytes until one is refused; returns how many.
int Fill(arena_ref arena) {
  int blocks = 0;
  while (arena.allocate(10000) != nullptr) ++blocks;
  return blocks;
}

TEST(CppArenaLimitsTest, EveryOptionArrives) {
  arena parent("parent", 8 * kMiB);
  arena_options options = Limited(4 * kMiB, parent);
  options.name = "tenant";
  options.soft_limit_bytes = 2 * kMiB;
  options.reserve_bytes = kMiB;
  const arena child(options, [](arena_ref, pressure) {});
  ASSERT_TRUE(child) << myonly_status_str(child.status());
  EXPECT_STREQ(child.stats().name, "tenant");
  EXPECT_EQ(child.stats().limit_bytes, 4 * kMiB);
  EXPECT_EQ(child.stats().soft_limit_bytes, 2 * kMiB);
  EXPECT_EQ(parent.stats().children, 1U);
}

TEST(CppArenaLimitsTest, ChargesGoUpTheTreeAndComeBack) {
  arena service("service", 4 * kMiB);
  arena tenant(Limited(3 * kMiB, service));
  {
    arena request(Limited(2 * kMiB, tenant));
    ASSERT_NE(request.allocate(kMiB), nullptr);
    EXPECT_GE(request.charged(), kMiB);
    EXPECT_EQ(tenant.charged(), request.charged());
    EXPECT_EQ(service.charged(), request.charged());
    EXPECT_EQ(request.allocate(2 * kMiB), nullptr);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
    // The parent's limit holds for the child too.
    ASSERT_NE(tenant.allocate(kMiB), nullptr);
    EXPECT_EQ(request.set_limit(0), MYONLY_OK);
    EXPECT_EQ(request.allocate(2 * kMiB), nullptr);
    EXPECT_EQ(tenant.destroy(), MYONLY_ERR_BUSY);
    EXPECT_TRUE(tenant);
  }
  EXPECT_EQ(service.charged(), tenant.charged());
  EXPECT_EQ(tenant.reset(), MYONLY_OK);
  EXPECT_EQ(tenant.purge(), MYONLY_OK);
  EXPECT_EQ(service.charged(), tenant.charged());
}

TEST(CppArenaLimitsTest, LimitsMove) {
  arena arena("test", kMiB);
  EXPECT_EQ(arena.allocate(2 * kMiB), nullptr);
  EXPECT_EQ(arena.set_limit(4 * kMiB), MYONLY_OK);
  void* ptr = arena.allocate(2 * kMiB);
  ASSERT_NE(ptr, nullptr);
  EXPECT_EQ(arena.set_limit(kMiB), MYONLY_OK);  // below the charge
  EXPECT_EQ(arena.allocate(100000), nullptr);
  arena::deallocate(ptr);
  EXPECT_NE(arena.allocate(100000), nullptr);
}

TEST(CppArenaLimitsTest, ExactBytesCountBytes) {
  arena_options options = Limited(1000);
  options.exact_bytes = true;
  arena arena(options);
  ASSERT_TRUE(arena);
  void* ptr = arena.allocate(600);
  ASSERT_NE(ptr, nullptr);
  // In the preset secure with what is kept behind it.
  const size_t behind = internal::kIsSecure ? 16 : 0;
  EXPECT_EQ(arena.charged(), arena::usable_size(ptr) + behind);
  EXPECT_EQ(arena.allocate(600), nullptr);
  EXPECT_EQ(myonly_last_status(), MYONLY_ERR_QUOTA);
}

TEST(CppArenaLimitsTest, ABlockChangesItsArena) {
  arena root("root");
  arena from(Limited(0, root));
  arena to(Limited(0, root));
  arena stranger("stranger");
  void* large = from.allocate(kMiB);
  ASSERT_NE(large, nullptr);
  EXPECT_EQ(stranger.transfer_here(large), MYONLY_ERR_UNSUPPORTED);
  EXPECT_EQ(to.transfer_here(large), MYONLY_OK);
  EXPECT_TRUE(to.owns(large));
  EXPECT_EQ(from.stats().live_blocks, 0U);
  EXPECT_EQ(from.destroy(), MYONLY_OK);
  std::vector<char*> block{static_cast<char*>(large)};
  block[0][kMiB - 1] = 1;  // still there
  EXPECT_EQ(to.stats().live_blocks, 1U);
}

// --- Pressure ---

TEST(CppArenaLimitsTest, PressureIsToldWithItsArena) {
  std::vector<pressure> events;
  arena_ref told;
  arena_options options = Limited(4 * kMiB);
  options.soft_limit_bytes = 2 * kMiB;
  arena arena(options, [&events, &told](arena_ref arena, pressure event) {
    told = arena;
    events.push_back(event);
  });
  void* ptr = arena.allocate(3 * kMiB);
  EXPECT_EQ(events, std::vector<pressure>{pressure::soft});
  EXPECT_EQ(told, arena);
  EXPECT_EQ(arena.allocate(2 * kMiB), nullptr);
  arena::deallocate(ptr);
  arena.purge();
  EXPECT_EQ(events, (std::vector<pressure>{pressure::soft, pressure::limit,
                                           pressure::relieved}));
}

TEST(CppArenaLimitsTest, ACallbackMayEvict) {
  std::vector<void*> cache;
  arena_options options = Limited(4 * kMiB);
  options.soft_limit_bytes = 2 * kMiB;
  arena arena(options, [&cache](arena_ref, pressure event) {
    if (event == pressure::relieved) return;
    for (void* entry : std::exchange(cache, {})) arena::deallocate(entry);
  });
  cache.reserve(1000);
  for (int i = 0; i < 1000; ++i) {
    void* entry = arena.allocate(100000);
    ASSERT_NE(entry, nullptr) << i;
    cache.push_back(entry);
  }
  EXPECT_LT(cache.size(), 41U);
  EXPECT_EQ(arena.check(), MYONLY_OK);
}

TEST(CppArenaLimitsTest, TheReserveLetsTheCallbackAllocate) {
  arena_options options = Limited(4 * kMiB);
  options.reserve_bytes = kMiB;
  int told = 0;
  void* in_need = nullptr;
  arena arena(options, [&told, &in_need](arena_ref arena, pressure event) {
    EXPECT_EQ(event, pressure::limit);
    ++told;
    in_need = arena.allocate(500000);
  });
  EXPECT_GT(Fill(arena), 100);
  EXPECT_GE(told, 1);
  EXPECT_NE(in_need, nullptr);
}

TEST(CppArenaLimitsTest, ACallbackMovesAndDiesWithItsArena) {
  const auto alive = std::make_shared<int>(0);
  arena_options options = Limited(kMiB);
  arena second;
  {
    arena first(options, [alive](arena_ref, pressure) { ++*alive; });
    second = std::move(first);
  }
  EXPECT_EQ(second.allocate(2 * kMiB), nullptr);
  EXPECT_EQ(*alive, 1);
  EXPECT_EQ(alive.use_count(), 2);
  EXPECT_EQ(second.destroy(), MYONLY_OK);
  EXPECT_EQ(alive.use_count(), 1);
}

// An arena that its child keeps alive may still call: its callback is never
// deleted, which is what a leak checker must not tell.
TEST(CppArenaLimitsTest, ACallbackStaysWithAnArenaThatCannotBeDestroyed) {
#if defined(__SANITIZE_ADDRESS__)
  const __lsan::ScopedDisabler is_meant;
#endif
  const auto alive = std::make_shared<int>(0);
  auto parent = std::make_unique<arena>(
      Limited(kMiB), [alive](arena_ref, pressure) { ++*alive; });
  const arena child(Limited(0, *parent));
  parent.reset();  // the wrong order
  EXPECT_EQ(child.allocate(2 * kMiB), nullptr);
  EXPECT_EQ(*alive, 1);
}

TEST(CppArenaLimitsTest, SoftLimitsMove) {
  int told = 0;
  arena arena(arena_options{}, [&told](arena_ref, pressure) { ++told; });
  ASSERT_NE(arena.allocate(kMiB), nullptr);
  EXPECT_EQ(told, 0);
  EXPECT_EQ(arena.set_soft_limit(kMiB / 2), MYONLY_OK);
  EXPECT_EQ(told, 1);
}

TEST(CppArenaLimitsTest, AVectorThatIsRefusedStaysAsItWas) {
  arena arena("small", kMiB);
  std::vector<int, arena_allocator<int>> numbers{arena_allocator<int>(arena)};
  EXPECT_THROW(for (;;) numbers.insert(numbers.end(), 1000, 7), std::bad_alloc);
  EXPECT_GT(numbers.size(), 10000U);
  for (const int number : numbers) ASSERT_EQ(number, 7);
  EXPECT_EQ(arena.check(), MYONLY_OK);
}

}  // namespace
}  // namespace myonly
