// Each program of tests/misuse/programs ends as expected.txt says, on each
// preset that is there: detected, harmless, or one of the few that are known
// not to be caught.
#include <unistd.h>

#include <ostream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "allocator/base/preset.h"
#include "gtest/gtest.h"
#include "tests/misuse/program_table.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {

void PrintTo(const ExpectedRow& row, std::ostream* out) { *out << row.program; }

namespace {

const char kLine[] =
    "myonlymalloc: [a-z -]+ at 0x[0-9a-f]+(, arena [^,\n]+(, size [0-9]+)?)?\n";

class MisuseProgramTest : public ::testing::TestWithParam<ExpectedRow> {
 protected:
  static std::string Library() {
    return RunfilePath("capi/libmyonlymalloc.so");
  }
  static std::string Expected() {
    if (internal::kIsSecure) return GetParam().secure;
    return internal::kChecksObjects ? GetParam().release : GetParam().fast;
  }

  // Where things lie in secure is left to chance, and so what a write beside a
  // block hits: now and then it is nothing. A run may end in another way than
  // expected, but not in a bad one, and never five in turn.
  static Outcome RunWithChance(const std::string& library,
                               const std::string& expected) {
    Outcome outcome;
    for (int run = 0; run < 5; ++run) {
      // A block that is sampled ends in its own way (sampling_test).
      outcome = RunProgram(GetParam().program, library, false,
                           {{"MYONLY_SAMPLE_RATE", "0"}});
      if (IsExpected(expected, outcome.word)) break;
      if (outcome.word != "HARMLESS" && outcome.word != "MISSED") break;
    }
    return outcome;
  }

  void ExpectOutcome(const std::string& library, const std::string& expected,
                     bool has_chance = false) {
    const Outcome outcome =
        has_chance ? RunWithChance(library, expected)
                   : RunProgram(GetParam().program, library, false);
    EXPECT_TRUE(IsExpected(expected, outcome.word))
        << outcome.word << ", not " << expected << "\n"
        << outcome.line;
    if (outcome.word == "DETECTED") {
      EXPECT_TRUE(std::regex_match(outcome.line, std::regex(kLine)))
          << outcome.line;
    }
  }
};

TEST_P(MisuseProgramTest, EndsAsExpected) {
  if (internal::kIsSecure) GTEST_SKIP() << "as EndsAsExpectedInSecure";
  ExpectOutcome(Library(), Expected());
}

// Blocks that come before a thread has slabs have a header instead. There it
// may end in another way, but not in a bad one, unless a medium block, which
// has one too, does so.
TEST_P(MisuseProgramTest, EndsNoWorseWithoutSlabs) {
  const Outcome outcome = RunProgram(GetParam().program, Library(), true);
  const std::string medium =
      std::regex_replace(GetParam().program, std::regex("_small_"), "_medium_");
  std::string expected = Expected();
  for (const ExpectedRow& row : ReadExpectedRows()) {
    if (row.program == medium && internal::kChecksObjects) {
      expected += "|" + row.release;
    }
  }
  EXPECT_TRUE(!IsBad(outcome.word) || IsExpected(expected, outcome.word))
      << outcome.word << "\n"
      << outcome.line;
}

TEST_P(MisuseProgramTest, EndsAsExpectedInSecure) {
  const std::string library = RunfilePath("capi/libmyonlymalloc-secure.so");
  if (access(library.c_str(), R_OK) != 0 || GetParam().secure == "-") {
    GTEST_SKIP() << "no secure library, or nothing expected of it";
  }
  EXPECT_FALSE(IsBad(GetParam().secure));
  ExpectOutcome(library, GetParam().secure, /*has_chance=*/true);
}

// As in secure, or told of earlier; then with the stacks that are known.
TEST_P(MisuseProgramTest, EndsNoWorseInDebug) {
  const std::string library = RunfilePath("capi/libmyonlymalloc-debug.so");
  if (access(library.c_str(), R_OK) != 0 || GetParam().secure == "-") {
    GTEST_SKIP() << "no debug library, or nothing expected of it";
  }
  const Outcome outcome =
      RunWithChance(library, GetParam().secure + "|DETECTED");
  EXPECT_TRUE(outcome.word == "DETECTED" ||
              IsExpected(GetParam().secure, outcome.word))
      << outcome.word << ", not " << GetParam().secure << "\n"
      << outcome.line;
  if (outcome.word == "DETECTED") {
    const std::regex stack("myonlymalloc: [^\n]+\n[^]*  now:\n    #0 0x[^]*");
    EXPECT_TRUE(std::regex_match(outcome.line, stack)) << outcome.line;
  }
}

INSTANTIATE_TEST_SUITE_P(Of, MisuseProgramTest,
                         ::testing::ValuesIn(ReadExpectedRows()),
                         [](const ::testing::TestParamInfo<ExpectedRow>& info) {
                           return info.param.program;
                         });

// A bad free is told, and the process goes on with a heap that is whole.
void ExpectReported(const std::string& library,
                    const std::vector<const char*>& more) {
  if (!internal::kChecksObjects) GTEST_SKIP() << "no checks";
  std::vector<const char*> programs = {"double_free_small",
                                       "double_free_medium",
                                       "double_free_small_other_thread",
                                       "double_free_medium_other_thread",
                                       "double_free_small_remote_then_owner",
                                       "double_free_calloc",
                                       "double_delete",
                                       "free_stack",
                                       "free_global",
                                       "free_function",
                                       "free_near_null",
                                       "free_noncanonical",
                                       "free_foreign_mapping",
                                       "free_interior_small",
                                       "free_interior_medium",
                                       "free_misaligned_small",
                                       "free_misaligned_medium",
                                       "free_past_end_small",
                                       "double_free_large",
                                       "double_free_large_delayed",
                                       "double_free_large_race",
                                       "double_free_huge",
                                       "double_free_huge_race",
                                       "free_interior_large",
                                       "free_interior_large_by_page",
                                       "free_interior_huge",
                                       "free_misaligned_large"};
  programs.insert(programs.end(), more.begin(), more.end());
  for (const char* program : programs) {
    const Outcome outcome =
        RunProgram(program, RunfilePath(library), false,
                   {{"MYONLY_ON_MISUSE", "report"},
                    // What is sampled is told of in more lines.
                    {"MYONLY_SAMPLE_RATE", "0"}});
    if (outcome.line.find("is not an option") != std::string::npos) {
      GTEST_SKIP() << outcome.line;
    }
    EXPECT_EQ(outcome.word, "REPORTED") << program << "\n" << outcome.line;
    EXPECT_TRUE(std::regex_match(outcome.line,
                                 std::regex("(" + std::string(kLine) + ")+")))
        << outcome.line;
  }
}

TEST(ReportTest, BadFreesAreToldAndHarmNothing) {
  if (internal::kIsSecure) GTEST_SKIP() << "as the next one";
  ExpectReported(
      "capi/libmyonlymalloc.so",
      {"double_free_aligned", "double_free_small_remote_many",
       "double_free_small_remote_twice", "double_free_medium_remote_twice",
       "double_free_medium_coalesced", "free_sized_larger_small",
       "free_sized_smaller_large", "sized_delete_larger_small",
       "sized_delete_array", "aligned_delete_larger_alignment"});
}

TEST(ReportTest, BadFreesAreToldAndHarmNothingInSecure) {
  ExpectReported("capi/libmyonlymalloc-secure.so", {});
}

// What SECURITY.md says is not caught, and nothing else, may be bad in release.
TEST(ExpectedRowsTest, BadOnesAreFew) {
  const std::set<std::string> known = {
      "free_reused_large",
      "free_reused_medium",
      "free_reused_small",
  };
  const std::vector<ExpectedRow> rows = ReadExpectedRows();
  EXPECT_GE(rows.size(), 150u);
  std::set<std::string> bad;
  for (const ExpectedRow& row : rows) {
    if (IsBad(row.release)) bad.insert(row.program);
  }
  EXPECT_EQ(bad, known);
}

}  // namespace
}  // namespace myonly::testing
