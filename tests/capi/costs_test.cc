// What the allocator may cost: system calls and page faults of an empty
// program, instructions of a pair of malloc and free.
#include <stdlib.h>

#include <algorithm>
#include <ostream>
#include <string>

#include "gtest/gtest.h"
#include "tests/capi/child_costs.h"
#include "tests/support/child_process.h"
#include "tests/support/preset.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

constexpr char kNotSecure[] = "the bars are for release and fast";
// Of secure four more, for what is apart from the memory that it describes; of
// debug one more than that, for records and stacks.
constexpr long kMaxSystemCalls = kIsDebug ? 51 : internal::kIsSecure ? 50 : 46;
constexpr long kMaxPageFaults = 88;

std::string Library() { return RunfilePath("capi/libmyonlymalloc.so"); }

TEST(EmptyProgramTest, MakesFewSystemCalls) {
  const std::string program = RunfilePath("tests/capi/empty_program");
  const long plain = CountSystemCalls(program, "");
  if (plain < 0) GTEST_SKIP() << "processes can't be traced here";
  EXPECT_GT(plain, 5);
  const long ours = CountSystemCalls(program, Library());
  RecordProperty("system_calls", static_cast<int>(ours));
  EXPECT_GT(ours, plain);
  EXPECT_LE(ours, kMaxSystemCalls) << "without the library: " << plain;
}

// The least of a few runs: the kernel may map a page or two more at a time.
long LeastPageFaults(const std::string& preload) {
  const std::string program = RunfilePath("tests/capi/empty_program");
  long least = CountPageFaults(program, preload);
  for (int i = 0; i < 4; ++i) {
    least = std::min(least, CountPageFaults(program, preload));
  }
  return least;
}

TEST(EmptyProgramTest, MakesFewPageFaults) {
  const long plain = LeastPageFaults("");
  const long ours = LeastPageFaults(Library());
  ASSERT_GT(plain, 0);
  RecordProperty("page_faults", static_cast<int>(ours));
  EXPECT_GT(ours, plain);
  EXPECT_LE(ours, kMaxPageFaults) << "without the library: " << plain;
}

struct Pattern {
  const char* name;
  const char* least_size;
  const char* most_size;
  double max_instructions;
};

void PrintTo(const Pattern& pattern, std::ostream* out) {
  *out << pattern.name << " " << pattern.least_size;
}

// Instructions of the whole program; 0 if valgrind can't say.
double CountInstructions(const Pattern& pattern, const char* count) {
  ChildOptions options;
  options.argv = {"valgrind",
                  "--tool=callgrind",
                  "--callgrind-out-file=/dev/null",
                  RunfilePath("tests/capi/block_pairs"),
                  pattern.name,
                  pattern.least_size,
                  pattern.most_size,
                  count};
  const ChildResult result = RunChild(options);
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  const std::string mark = "Collected : ";
  const size_t position = result.err.find(mark);
  if (position == std::string::npos) return 0;
  return strtod(result.err.c_str() + position + mark.size(), nullptr);
}

// Start and end cost the same in both runs.
double InstructionsPerRound(const Pattern& pattern) {
  return (CountInstructions(pattern, "30000") -
          CountInstructions(pattern, "10000")) /
         20000;
}

// The same of fewer rounds: memory that has waited for a second or two goes
// back within a longer run where the machine is slow, and that is work as well.
double InstructionsOfAFewRounds(const Pattern& pattern) {
  return (CountInstructions(pattern, "9000") -
          CountInstructions(pattern, "3000")) /
         6000;
}

bool HasValgrind() {
  ChildOptions options;
  options.argv = {"valgrind", "--version"};
  return RunChild(options).Succeeded();
}

class InstructionsTest : public ::testing::TestWithParam<Pattern> {};

TEST_P(InstructionsTest, OfAWarmPair) {
#ifdef __clang__
  GTEST_SKIP() << "the bars are for gcc's code; clang 14 takes a fifth more";
#endif
  if (internal::kIsSecure) GTEST_SKIP() << kNotSecure;
  if (!HasValgrind()) GTEST_SKIP() << "valgrind is not installed";
  const double loop = InstructionsPerRound({"loop", "24", "24", 0});
  EXPECT_GT(loop, 0);
  double pair = InstructionsPerRound(GetParam()) - loop;
  // On a machine that is busy a second passes within a run, and what comes with
  // time is counted. It only adds.
  for (int i = 0; i < 2 && pair > GetParam().max_instructions; ++i) {
    pair = std::min(pair, InstructionsPerRound(GetParam()) - loop);
  }
  EXPECT_GT(pair, 10);
  EXPECT_LE(pair, GetParam().max_instructions);
  RecordProperty("instructions", static_cast<int>(pair));
}

// Up to 1 KiB objects of slabs, of which a page is taken back at a time: few of
// the large ones, until they are wanted often. Each call comes through the
// linkage table.
constexpr double kObject = internal::kChecksObjects ? 42 : 35;
constexpr double kLargestObject = internal::kChecksObjects ? 46 : 57;
// Seven are for the mark of a block in a quick list, and for the checks of
// objects, which come first; headers are looked at in every preset.
constexpr double kQuickHit = internal::kChecksObjects ? 79 : 72;
constexpr double kSplitAndCoalesce = 220;
// Of 256 sizes by turns, of which most have a block in a quick list, or in the
// next one.
constexpr double kManySizes = 110;
// Of 64 arenas in turn.
constexpr double kTurns = internal::kChecksObjects ? 100 : 92;
// Requests of 500 objects of 63 classes, each in an arena that is reset after
// it, or in a new one.
constexpr double kRequestAndReset = 75;
constexpr double kRequestInANewArena = 160;
// By C++, whose standard has one form call another; and with the size.
constexpr double kMadeObject = kObject + 4;
constexpr double kMadeBlock = kQuickHit + 8;
constexpr double kSizedObject = kObject + 22;
constexpr double kSizedBlock = kQuickHit + 45;
// Also where realloc may have left it in place.
constexpr double kFreedSizedObject = kObject + 30;
constexpr double kFreedSizedBlock = kQuickHit + 70;
// A run of its own, the one freed last.
constexpr double kLargeRun = 520;

const Pattern kPatterns[] = {
    {"pairs", "24", "24", kObject},
    {"pairs", "100", "100", kObject},
    {"arena_pairs", "24", "24", kObject + 6},
    {"arena_turns", "24", "24", kTurns},
    {"arena_resets", "16", "1024", kRequestAndReset},
    {"arena_lives", "16", "1024", kRequestInANewArena},
    {"pairs", "1024", "1024", kLargestObject},
    {"pairs", "4096", "4096", kQuickHit},
    {"pairs", "10000", "10000", kQuickHit},
    {"pairs", "32768", "32768", kQuickHit},
    {"pairs", "1024", "32000", kManySizes},
    {"pairs", "131072", "131072", kLargeRun},
    {"pairs", "4194304", "4194304", kLargeRun},
    {"made", "100", "100", kMadeObject},
    {"made", "10000", "10000", kMadeBlock},
    {"made", "131072", "131072", kLargeRun + 10},
    {"made_sized", "100", "100", kSizedObject},
    {"made_sized", "10000", "10000", kSizedBlock},
    {"made_sized", "131072", "131072", kLargeRun + 100},
    {"freed_sized", "100", "100", kFreedSizedObject},
    {"freed_sized", "10000", "10000", kFreedSizedBlock},
    {"split_coalesce", "24", "1024", kSplitAndCoalesce},
    {"split_coalesce", "1024", "32768", kSplitAndCoalesce},
};

// Rounds of two patterns, of which one does more: what that costs.
double Difference(const char* more, const char* less) {
  return InstructionsOfAFewRounds({more, "64", "64", 0}) -
         InstructionsOfAFewRounds({less, "64", "64", 0});
}

class StepsTest : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef __clang__
    GTEST_SKIP() << "the bars are for gcc's code";
#endif
    if (internal::kIsSecure) GTEST_SKIP() << kNotSecure;
    if (!HasValgrind()) GTEST_SKIP() << "valgrind is not installed";
  }
};

// Objects of other threads, in chains of 64. The two checks of a free are 10 of
// them, the call through the linkage table 3.
TEST_F(StepsTest, OfAFreeInAnotherThread) {
  constexpr double kRemoteFree = internal::kChecksObjects ? 44 : 41;
  const double free = Difference("freed_elsewhere", "allocated") -
                      InstructionsPerRound({"loop", "24", "24", 0});
  EXPECT_GT(free, 10);
  EXPECT_LE(free, kRemoteFree);
  RecordProperty("instructions", static_cast<int>(free));
}

// What it costs their owner that objects came back from elsewhere. What comes
// with time, on a machine that is busy, may be in the runs that are taken off.
TEST_F(StepsTest, OfTakingBackWhatOthersFreed) {
  double drain = 0;
  for (int i = 0; i < 3 && drain <= 0; ++i) {
    drain = Difference("freed_elsewhere_and_taken", "freed_elsewhere") -
            Difference("freed_at_home_and_taken", "freed_at_home");
  }
  EXPECT_GT(drain, 0);
  EXPECT_LE(drain, 8);
}

TEST_F(StepsTest, OfCallocOverMalloc) {
  const double more = Difference("zeroed", "pairs");
  EXPECT_GT(more, 0);
  EXPECT_LE(more, 18);
}

TEST_F(StepsTest, OfAReallocThatStays) {
  const double step = Difference("resized", "loop");
  EXPECT_GT(step, 5);
  // That the object has been handed out is seven of them.
  EXPECT_LE(step, 46);
}

TEST_F(StepsTest, OfAskingForTheUsableSize) {
  const double step = Difference("asked", "loop");
  EXPECT_GT(step, 5);
  EXPECT_LE(step, 30);
}

INSTANTIATE_TEST_SUITE_P(Patterns, InstructionsTest,
                         ::testing::ValuesIn(kPatterns),
                         [](const ::testing::TestParamInfo<Pattern>& info) {
                           return std::string(info.param.name) + "_" +
                                  info.param.most_size;
                         });

}  // namespace
}  // namespace myonly::testing
