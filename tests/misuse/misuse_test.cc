// Misuse ends in one clear line on stderr and abort, never in silent
// corruption: one test per guarantee and way to get the allocator.
#include <signal.h>

#include <ostream>
#include <regex>
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/preset.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

// What the line may call the misuse. Several are right where the allocator
// can't know: a freed huge block is an address that is not ours any more, and a
// freed block that went up in a neighbour lies inside of that one.
enum : unsigned {
  kDouble = 1,
  kInside = 2,
  kForeign = 4,
  kHeader = 8,
  kFree = 16,
  kUse = 32,  // in debug alone
  kAny = kDouble | kInside | kForeign | kHeader,
};

struct Case {
  const char* mode;
  unsigned expected;
};

void PrintTo(const Case& value, std::ostream* out) { *out << value.mode; }

// What is below the line: nothing, but in the preset debug at least one stack.
const char* Below(bool is_debug) {
  return is_debug ? "(  [^\n]*:\n(    #[0-9]+ 0x[^\n]*\n)+)+" : "";
}

// The line that `expected` allows, and nothing but that line.
std::regex ExpectedLine(unsigned expected, bool is_debug) {
  std::string what;
  const auto allow = [&](unsigned kind, const char* phrase) {
    if ((expected & kind) == 0) return;
    if (!what.empty()) what += "|";
    what += phrase;
  };
  allow(kDouble, "double free");
  if (is_debug) allow(kUse, "use of a freed block");
  allow(kInside, "free of an address inside a block");
  allow(kForeign, "free of a foreign address");
  allow(kHeader, "overwritten header|write behind the end of a block");
  allow(kFree, "overwritten free (object|block)|write to a free block");
  return std::regex("myonlymalloc: (" + what + ")[^\n]*0x[0-9a-f]+[^\n]*\n" +
                    Below(is_debug));
}

using Way = ChildOptions (*)(const char* mode);
struct NamedWay {
  const char* name;
  Way child;
  // Not the preset of the build.
  bool IsSecure() const {
    return std::regex_match(name, std::regex("Secure.*"));
  }
  bool IsDebug() const { return kIsDebug && !IsSecure(); }
};

void PrintTo(const NamedWay& value, std::ostream* out) { *out << value.name; }

void ExpectOneLineAndAbort(const Case& misuse, const NamedWay& way) {
  const ChildResult result = RunChild(way.child(misuse.mode));
  EXPECT_EQ(result.out, "misuse") << "the misuse was not reached";
  EXPECT_EQ(result.signal, SIGABRT) << result.Describe();
  EXPECT_TRUE(std::regex_match(result.err,
                               ExpectedLine(misuse.expected, way.IsDebug())))
      << result.Describe();
}

// In the preset secure one block of some thousands is sampled, and its misuse
// ends in more than a line: that is sampling_test's.
ChildOptions Program(const char* name, const char* mode) {
  ChildOptions child;
  child.argv = {RunfilePath(std::string("tests/misuse/") + name), mode};
  child.environment = {{"MYONLY_SAMPLE_RATE", "0"}};
  return child;
}

ChildOptions Preload(const char* library, const char* mode) {
  ChildOptions child = Program("misuse_plain", mode);
  child.environment.emplace_back("LD_PRELOAD", RunfilePath(library));
  return child;
}

ChildOptions Linked(const char* mode) { return Program("misuse_linked", mode); }
ChildOptions Preloaded(const char* mode) {
  return Preload("capi/libmyonlymalloc.so", mode);
}
ChildOptions Arenas(const char* mode) { return Program("misuse_arenas", mode); }

// The preset secure.
ChildOptions SecureLinked(const char* mode) {
  return Program("misuse_linked_secure", mode);
}
ChildOptions SecurePreloaded(const char* mode) {
  return Preload("capi/libmyonlymalloc-secure.so", mode);
}
ChildOptions SecureArenas(const char* mode) {
  return Program("misuse_arenas_secure", mode);
}

const Case kCases[] = {
    {"DoubleFreeSmall", kDouble},
    {"DoubleFreeMedium", kDouble},
    {"DoubleFreeLarge", kDouble},
    {"DoubleFreeHuge", kDouble | kForeign},
    {"DoubleFreeSmallLater", kDouble},
    {"DoubleFreeMediumLater", kDouble},
    {"DoubleFreeLargeLater", kDouble},
    {"DoubleFreeSmallCoalesced", kDouble | kInside},
    {"DoubleFreeMediumCoalesced", kDouble | kInside},
    {"DoubleFreeLargeCoalesced", kDouble | kInside},
    {"DoubleFreeSmallSecondHalf", kDouble | kInside},
    {"DoubleFreeMediumSecondHalf", kDouble | kInside},
    {"DoubleFreeLargeSecondHalf", kDouble | kInside},
    {"DoubleFreeSmallNeighboursReused", kDouble | kInside},
    {"DoubleFreeMediumNeighboursReused", kDouble | kInside},
    {"DoubleFreeLargeNeighboursReused", kDouble | kInside},
    {"DoubleFreeCalloc", kDouble},
    {"DoubleFreeAligned", kDouble},
    {"DoubleFreeByAnotherThread", kDouble},
    {"FreeAfterReallocMovedIt", kDouble},
    {"DoubleDelete", kDouble},
    {"DoubleDeleteArray", kDouble},
    {"DoubleDeleteAligned", kDouble},
    {"FreeInsideSmallBy16", kInside},
    {"FreeInsideSmallBy8", kInside},
    {"FreeInsideSmallBy1", kInside},
    {"FreeInsideMediumBy16", kInside},
    {"FreeInsideMediumBy8", kInside},
    {"FreeInsideMediumBy1", kInside},
    {"FreeInsideMediumByHalf", kInside},
    {"FreeInsideMediumCopiedHeader", kInside | kHeader},
    {"FreeInsideLargeBy16", kInside},
    {"FreeInsideLargeBy1", kInside},
    {"FreeInsideLargeByPage", kInside},
    {"FreeInsideLargeBySlice", kInside},
    {"FreeInsideHugeBy16", kInside | kForeign},
    {"FreeInsideHugeBy1", kInside | kForeign},
    {"FreeInsideHugeByPage", kInside | kForeign},
    {"FreeInsideHugeByHalf", kInside | kForeign},
    {"FreeStack", kForeign},
    {"FreeGlobal", kForeign},
    {"FreeFunction", kForeign},
    {"FreeLowAddress", kForeign},
    {"FreeHighAddress", kForeign},
    {"FreeForeignMapping", kForeign},
    {"HeaderZeroedSmall", kHeader},
    {"HeaderZeroedMedium", kHeader},
    {"HeaderFilledSmall", kHeader},
    {"HeaderFilledMedium", kHeader},
    {"HeaderTextSmall", kHeader},
    {"HeaderTextMedium", kHeader},
    {"OverflowSmallFreeThis", kHeader},
    {"OverflowMediumFreeThis", kHeader},
    {"OverflowSmallFreeNext", kHeader},
    {"OverflowMediumFreeNext", kHeader},
    {"WriteLinkMedium", kFree},
    {"WriteMarkMedium", kFree},
    {"ReallocHeaderText", kHeader},
    {"ReallocFreedSmall", kDouble | kUse},
    {"ReallocFreedMedium", kDouble | kUse},
    {"ReallocFreedLarge", kDouble | kUse},
    {"ReallocFreedHuge", kDouble | kUse | kForeign},
    {"ReallocInside", kInside},
    {"ReallocStack", kForeign},
};

const NamedWay kWays[] = {{"Linked", Linked},
                          {"Preloaded", Preloaded},
                          {"SecureLinked", SecureLinked},
                          {"SecurePreloaded", SecurePreloaded}};

class MisuseTest : public ::testing::TestWithParam<std::tuple<Case, NamedWay>> {
};

// In the preset secure no header is in front of a small block, but the end of
// another one: that is reported when the other one is freed. In front of the
// first of a run, which one of many is by chance, is a guard page.
bool IsOverwrittenElsewhere(const Case& misuse, const NamedWay& way) {
  return std::regex_match(misuse.mode, std::regex("Header.*Small")) &&
         (internal::kIsSecure || way.IsSecure());
}

// Fast doesn't look at objects of slabs, nor at free blocks that it hands out.
bool IsLeftOut(const Case& misuse, const NamedWay& way) {
  const std::regex kOfSlabs(
      ".*Small.*|DoubleFreeCalloc|DoubleFreeByAnotherThread|DoubleDelete");
  const bool is_warm = std::regex_match(way.name, std::regex(".*Warm"));
  return !internal::kChecksObjects && !way.IsSecure() &&
         (std::regex_match(misuse.mode, std::regex("Write.*")) ||
          (is_warm && std::regex_match(misuse.mode, kOfSlabs)));
}

TEST_P(MisuseTest, EndsInOneLineAndAbort) {
  const auto& [misuse, way] = GetParam();
  if (IsLeftOut(misuse, way)) GTEST_SKIP() << "fast leaves this check out";
  if (IsOverwrittenElsewhere(misuse, way)) {
    const ChildResult result = RunChild(way.child(misuse.mode));
    EXPECT_TRUE(result.exit_code == 3 || result.signal == SIGSEGV)
        << result.Describe();
  } else {
    ExpectOneLineAndAbort(misuse, way);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Malloc, MisuseTest,
    ::testing::Combine(::testing::ValuesIn(kCases), ::testing::ValuesIn(kWays)),
    [](const ::testing::TestParamInfo<MisuseTest::ParamType>& info) {
      return std::string(std::get<0>(info.param).mode) +
             std::get<1>(info.param).name;
    });

// The same where the small ones are objects of slabs, which have no header.
const Case kWarmCases[] = {
    {"DoubleFreeSmall", kDouble},
    {"DoubleFreeSmallLater", kDouble},
    {"DoubleFreeSmallCoalesced", kDouble},
    {"DoubleFreeSmallSecondHalf", kDouble},
    {"DoubleFreeSmallNeighboursReused", kDouble},
    {"DoubleFreeCalloc", kDouble},
    {"DoubleFreeByAnotherThread", kDouble},
    {"DoubleDelete", kDouble},
    {"DoubleDeleteArray", kDouble},
    {"FreeInsideSmallBy16", kInside},
    {"FreeInsideSmallBy8", kInside},
    {"FreeInsideSmallBy1", kInside},
    {"ReallocFreedSmall", kDouble | kUse},
    {"WriteLinkSmall", kFree},
    {"WriteMarkSmall", kFree},
    {"WriteLinkMedium", kFree},
    {"FreeStack", kForeign},
    {"FreeGlobal", kForeign},
};

ChildOptions Warm(ChildOptions child) {
  child.argv.push_back("warm");
  return child;
}

const NamedWay kWarmWays[] = {
    {"LinkedWarm", [](const char* mode) { return Warm(Linked(mode)); }},
    {"PreloadedWarm", [](const char* mode) { return Warm(Preloaded(mode)); }},
    {"SecureLinkedWarm",
     [](const char* mode) { return Warm(SecureLinked(mode)); }},
    {"SecurePreloadedWarm",
     [](const char* mode) { return Warm(SecurePreloaded(mode)); }},
};

INSTANTIATE_TEST_SUITE_P(
    Slabs, MisuseTest,
    ::testing::Combine(::testing::ValuesIn(kWarmCases),
                       ::testing::ValuesIn(kWarmWays)),
    [](const ::testing::TestParamInfo<MisuseTest::ParamType>& info) {
      return std::string(std::get<0>(info.param).mode) +
             std::get<1>(info.param).name;
    });

// malloc_usable_size may answer or abort, but the heap must be whole.
class UsableSizeMisuseTest
    : public ::testing::TestWithParam<std::tuple<const char*, NamedWay>> {};

TEST_P(UsableSizeMisuseTest, AnswersOrAborts) {
  const auto& [mode, way] = GetParam();
  const ChildResult result = RunChild(way.child(mode));
  EXPECT_EQ(result.out, "misuse");
  if (result.exit_code == 3) {
    EXPECT_EQ(result.err, "");
  } else {
    EXPECT_EQ(result.signal, SIGABRT) << result.Describe();
    EXPECT_TRUE(std::regex_match(
        result.err,
        std::regex(std::string("myonlymalloc: [^\n]*0x[0-9a-f]+[^\n]*\n") +
                   Below(way.IsDebug()))))
        << result.Describe();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Malloc, UsableSizeMisuseTest,
    ::testing::Combine(::testing::Values("UsableSizeOfFreed",
                                         "UsableSizeInside",
                                         "UsableSizeOfStack"),
                       ::testing::ValuesIn(kWays)),
    [](const ::testing::TestParamInfo<UsableSizeMisuseTest::ParamType>& info) {
      return std::string(std::get<0>(info.param)) +
             std::get<1>(info.param).name;
    });

const Case kArenaCases[] = {
    {"DoubleFreeSmall", kDouble},
    {"DoubleFreeMedium", kDouble},
    {"DoubleFreeLarge", kDouble},
    {"DoubleFreeHuge", kDouble | kForeign},
    // What is left of a block that went with its arena is for the allocator to
    // name: its pages may be free, another's or given back by then.
    {"FreeAfterResetSmall", kAny},
    {"FreeAfterResetMedium", kAny},
    {"FreeAfterResetLarge", kAny},
    {"FreeAfterResetHuge", kAny},
    {"FreeAfterDestroySmall", kAny},
    {"FreeAfterDestroyMedium", kAny},
    {"FreeAfterDestroyLarge", kAny},
    {"FreeAfterDestroyHuge", kAny},
    {"FreeAfterResetAndNewBlocks", kAny},
    {"ReallocAfterReset", kAny},
    {"FreeInside", kInside},
    {"HeaderOverwritten", kHeader},
    {"HeaderOverwrittenInAKeptRegion", kHeader},
    {"SecondHeaderOverwrittenInAKeptRegion", kHeader},
    {"FreeSizedTwice", kDouble},
    {"FreeBatchWithTheSameBlockTwice", kDouble},
    {"FreeOfLibcsBlock", kForeign},
    {"FreeOfHandle", kForeign},
    {"TryResizeFreed", kDouble | kUse},
};

const NamedWay kArenaWays[] = {{"", Arenas}, {"Secure", SecureArenas}};

class ArenaMisuseTest
    : public ::testing::TestWithParam<std::tuple<Case, NamedWay>> {};

TEST_P(ArenaMisuseTest, EndsInOneLineAndAbort) {
  const auto& [misuse, way] = GetParam();
  ExpectOneLineAndAbort(misuse, way);
}

INSTANTIATE_TEST_SUITE_P(
    Arena, ArenaMisuseTest,
    ::testing::Combine(::testing::ValuesIn(kArenaCases),
                       ::testing::ValuesIn(kArenaWays)),
    [](const ::testing::TestParamInfo<ArenaMisuseTest::ParamType>& info) {
      return std::string(std::get<0>(info.param).mode) +
             std::get<1>(info.param).name;
    });

}  // namespace
}  // namespace myonly::testing
