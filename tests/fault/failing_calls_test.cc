// The system refuses one call of the allocator, the first, the second and so on
// until there is none left, or all from that one on: whole programs go on, or
// end as they do when there is no memory. None crashes, hangs or loses what it
// has, and where the call was not one for memory none notices.
//
// TEST_LONG=1 refuses each call; without it real programs have a few refused.
#include <errno.h>
#include <stdlib.h>

#include <cstdint>
#include <fstream>
#include <ostream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/runfiles.h"
#include "tests/support/temp_directory.h"

namespace myonly::testing {
namespace {

constexpr int kNotPossible = 77;       // as in fail_calls.cc
constexpr int kKilled = 128;           // and the signal's number
constexpr int kAborted = kKilled + 6;  // what many do when there is no memory
constexpr char kNotForMemory[] = "munmap+madvise+mremap";

struct Subject {
  const char* name;
  std::vector<std::string> argv;  // argv[0] may be a file of the test
  bool is_ours;                   // it goes on where it gets NULL
  uint64_t runs;                  // in a test run; 0: each call is refused
};

void PrintTo(const Subject& subject, std::ostream* out) {
  *out << subject.name;
}

std::vector<Subject> Subjects() {
  const std::string program = "tests/fault/failing_calls_program";
  return {
      {"OneThread", {program, "1"}, true, 0},
      {"FourThreads", {program, "4"}, true, 20},
      {"Python",
       {"/usr/bin/python3", "-c",
        "d = {}\n"
        "for i in range(3000): d[i] = 'x' * (i % 900)\n"
        "b = [bytes(1 << 16) * 3 for i in range(30)]\n"
        "print(len(d), sum(map(len, d.values())), len(b))"},
       false,
       6},
      {"Sqlite",
       {"/usr/bin/sqlite3", ":memory:",
        "create table t(a, b); with recursive c(x) as (select 1 union all "
        "select x + 1 from c where x < 4000) insert into t select x, "
        "hex(zeroblob(x % 500)) from c; select count(*), sum(length(b)) from "
        "t; create index i on t(b); pragma integrity_check;"},
       false,
       6},
      {"Perl",
       {"/usr/bin/perl", "-e",
        "my %h; $h{$_} = 'x' x ($_ % 700) for 1..4000; my $n = 0; "
        "$n += length for values %h; print \"$n\\n\""},
       false,
       6},
  };
}

bool IsLong() {
  const char* text = getenv("TEST_LONG");
  return text != nullptr && *text == '1';
}

struct Outcome {
  ChildResult child;
  uint64_t calls;
};

class FailingCallsTest : public ::testing::TestWithParam<Subject> {
 protected:
  static constexpr uint64_t kNone = 1'000'000'000;

  void SetUp() override {
    if (!GetParam().is_ours && !std::ifstream(GetParam().argv[0]).is_open()) {
      GTEST_SKIP() << GetParam().argv[0] << " is not installed";
    }
    const Outcome free = Run("all", ENOMEM, kNone, 1);
    if (free.child.exit_code == kNotPossible) {
      GTEST_SKIP() << "the kernel has no seccomp with notifications";
    }
    ASSERT_TRUE(free.child.Succeeded()) << free.child.Describe();
    ASSERT_GT(free.calls, 0u);
    expected_ = free.child.out;
    calls_ = free.calls;
  }

  static Outcome Run(const char* calls, int error, uint64_t first,
                     uint64_t count) {
    const TempDirectory directory;
    const std::string report = directory.path() + "/report";
    ChildOptions options;
    options.argv = {RunfilePath("tests/fault/fail_calls"),
                    report,
                    RunfilePath("capi/libmyonlymalloc.so"),
                    calls,
                    std::to_string(error),
                    std::to_string(first),
                    std::to_string(count)};
    for (const std::string& word : GetParam().argv) {
      options.argv.push_back(word.rfind("tests/", 0) == 0 ? RunfilePath(word)
                                                          : word);
    }
    options.timeout_seconds = 120;
    Outcome outcome = {RunChild(options), 0};
    std::ifstream(report) >> outcome.calls;
    return outcome;
  }

  // Refuses call 0, 1 and so on, each in a run of its own.
  void Sweep(const char* calls, int error, uint64_t count) {
    const bool must_succeed =
        GetParam().is_ours || std::string(calls) == kNotForMemory;
    uint64_t runs = 0;
    uint64_t first = 0;
    for (;; first += Step()) {
      const Outcome outcome = Run(calls, error, first, count);
      ++runs;
      SCOPED_TRACE(std::string(calls) + " error " + std::to_string(error) +
                   " call " + std::to_string(first) +
                   (count == 0 ? " and all after" : ""));
      ExpectEndsWell(outcome.child, must_succeed);
      // Where there is none with this number there is none behind it.
      if (HasFailure() || outcome.calls <= first) break;
    }
    printf("figure: %s: %s refused with error %d%s in %d runs\n",
           GetParam().name, calls, error, count == 0 ? " for ever" : "",
           static_cast<int>(runs));
  }

 private:
  uint64_t Step() const {
    if (IsLong() || GetParam().runs == 0) return 1;
    return 1 + calls_ / GetParam().runs;
  }

  void ExpectEndsWell(const ChildResult& child, bool must_succeed) const {
    EXPECT_FALSE(child.timed_out) << child.Describe();
    EXPECT_TRUE(child.exit_code < kKilled || child.exit_code == kAborted)
        << child.Describe();
    EXPECT_EQ(child.err.find("myonlymalloc:"), std::string::npos)
        << child.Describe();
    if (must_succeed) {
      EXPECT_TRUE(child.Succeeded()) << child.Describe();
    }
    if (child.Succeeded()) {
      EXPECT_EQ(child.out, expected_);
    }
  }

  std::string expected_;
  uint64_t calls_ = 0;  // when none is refused
};

TEST_P(FailingCallsTest, AnyCallOnce) { Sweep("all", ENOMEM, 1); }

TEST_P(FailingCallsTest, AnyCallAndAllAfterIt) { Sweep("all", ENOMEM, 0); }

TEST_P(FailingCallsTest, CallsThatGiveNoMemory) {
  Sweep(kNotForMemory, EINVAL, 1);
  Sweep(kNotForMemory, EAGAIN, 0);
  if (IsLong()) {
    for (const int error : {ENOMEM, EAGAIN, EINVAL, EPERM}) {
      Sweep(kNotForMemory, error, 1);
      Sweep(kNotForMemory, error, 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Of, FailingCallsTest, ::testing::ValuesIn(Subjects()),
                         [](const auto& test) {
                           return std::string(test.param.name);
                         });

}  // namespace
}  // namespace myonly::testing
