// The header as a C++17 program sees it, compiled with -pedantic -Werror.
#include "tests/capi/layout.h"
// Twice: it is guarded.
#include <type_traits>

#include "gtest/gtest.h"
#include "myonly/myonly.h"

namespace {

static_assert(std::is_standard_layout_v<myonly_arena_options>);
static_assert(std::is_standard_layout_v<myonly_arena_stats_t>);
static_assert(std::is_trivially_copyable_v<myonly_arena_options>);
static_assert(noexcept(myonly_alloc(1)) && noexcept(myonly_free(nullptr)));
static_assert(
    std::is_same_v<decltype(myonly_arena_destroy(nullptr, 0)), myonly_status>);

TEST(HeaderTest, InitMacrosMatchTheStructs) {
  const myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  EXPECT_EQ(options.struct_size, sizeof(options));
  EXPECT_EQ(options.on_pressure, nullptr);
  const myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  EXPECT_EQ(stats.struct_size, sizeof(stats));
  EXPECT_EQ(stats.resets, 0u);
}

TEST(HeaderTest, VersionsAreThoseOfTheLibrary) {
  EXPECT_EQ(myonly_version(), MYONLY_VERSION_MAJOR << 16 |
                                  MYONLY_VERSION_MINOR << 8 |
                                  MYONLY_VERSION_PATCH);
  EXPECT_STREQ(myonly_version_str(), MYONLY_VERSION_STRING);
  EXPECT_EQ(myonly_abi_version(), static_cast<uint32_t>(MYONLY_ABI_VERSION));
}

}  // namespace
