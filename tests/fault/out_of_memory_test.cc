// Whole programs that run out of memory are told so, and go on with what they
// free, as with libc's malloc.
#include <errno.h>
#include <stdlib.h>

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/preset.h"
#include "tests/support/runfiles.h"

namespace myonly::testing {
namespace {

constexpr int kNotPossible = 77;  // as in out_of_memory_program.cc

struct Case {
  std::string mode;
  std::string argument;
  std::string error;  // of denied calls
};

std::string Name(const Case& value) {
  std::string name = value.mode + value.argument;
  for (char& letter : name) {
    if (letter == '+') letter = 'A';
  }
  return value.error.empty() ? name : name + "Error" + value.error;
}

void PrintTo(const Case& value, std::ostream* out) { *out << Name(value); }

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const char* mib : {"16", "32", "48", "64", "96", "128", "256", "512"}) {
    cases.push_back({"limit", mib, ""});
  }
  for (const char* mib : {"4", "16", "64", "256"}) {
    cases.push_back({"lower", mib, ""});
  }
  for (const char* mib : {"128", "512", "2048"}) {
    cases.push_back({"late", mib, ""});
  }
  for (const char* mib : {"48", "128", "512"}) {
    cases.push_back({"data", mib, ""});
  }
  // What strict overcommit counts of all processes, "data" counts of this one:
  // private pages that may be written to, when they are mapped or become so.
  cases.push_back({"commit", "128", ""});
  for (const char* left : {"0", "20", "400"}) {
    cases.push_back({"maps", left, ""});
  }
  for (const char* calls : {"mmap", "munmap", "mremap", "madvise", "mprotect",
                            "munmap+madvise", "mmap+mremap", "all"}) {
    cases.push_back({"deny", calls, std::to_string(ENOMEM)});
  }
  // The kernel may be out of something else; a program is told ENOMEM.
  for (int error : {EAGAIN, EPERM, EINVAL}) {
    cases.push_back({"deny", "all", std::to_string(error)});
  }
  return cases;
}

class OutOfMemoryTest : public ::testing::TestWithParam<Case> {
 protected:
  static ChildResult Run(const char* program, const char* threads,
                         bool preload) {
    const Case& param = GetParam();
    ChildOptions child;
    child.argv = {RunfilePath(program), param.mode, param.argument};
    if (!param.error.empty()) child.argv.push_back(param.error);
    child.argv.push_back(threads);
    if (preload) {
      child.environment = {
          {"LD_PRELOAD", RunfilePath("capi/libmyonlymalloc.so")}};
    }
    return RunChild(child);
  }

  static void ExpectGoesOn(const char* threads) {
    const char* const plain = "tests/fault/out_of_memory_plain";
    const char* const linked = "tests/fault/out_of_memory_linked";
    const ChildResult libc = Run(plain, threads, /*preload=*/false);
    if (libc.exit_code == kNotPossible) GTEST_SKIP() << libc.Describe();
    // With 16 threads and its arenas of 64 MiB each libc's own malloc does not
    // always get back what was freed.
    EXPECT_EQ(libc.signal, 0) << libc.Describe();
    for (const ChildResult& ours : {Run(linked, threads, /*preload=*/false),
                                    Run(plain, threads, /*preload=*/true)}) {
      EXPECT_TRUE(ours.Succeeded()) << ours.Describe();
      EXPECT_EQ(ours.out, "ok\n");
      EXPECT_EQ(ours.err, "");
    }
  }
};

TEST_P(OutOfMemoryTest, OneThread) { ExpectGoesOn("1"); }

TEST_P(OutOfMemoryTest, SixteenThreads) { ExpectGoesOn("16"); }

// A few will do: they take long, and their stacks much of a small limit.
TEST_P(OutOfMemoryTest, SixtyFourThreads) {
  const std::string name = Name(GetParam());
  if (name == "limit256" || name == "data128" || name == "maps0" ||
      name == "maps20" || name == "denyallError" + std::to_string(ENOMEM)) {
    ExpectGoesOn("64");
  }
}

// It has more reserved, in more places.
TEST(LateLimitTest, IsFollowedInSecure) {
  ChildOptions child;
  child.argv = {RunfilePath("tests/fault/out_of_memory_plain"), "late", "512",
                "1"};
  child.environment = {
      {"LD_PRELOAD", RunfilePath("capi/libmyonlymalloc-secure.so")}};
  const ChildResult result = RunChild(child);
  if (result.exit_code == kNotPossible) GTEST_SKIP() << result.Describe();
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  EXPECT_EQ(result.out, "ok\n");
}

TEST(SizesTest, FreedAddressesServeOtherSizes) {
  for (const char* mib : {"128", "256", "1024"}) {
    for (const char* library :
         {"capi/libmyonlymalloc.so", "capi/libmyonlymalloc-secure.so"}) {
      ChildOptions child;
      child.argv = {RunfilePath("tests/fault/out_of_memory_plain"), "sizes",
                    mib, "1"};
      child.environment = {{"LD_PRELOAD", RunfilePath(library)}};
      const ChildResult result = RunChild(child);
      if (result.exit_code == kNotPossible) GTEST_SKIP() << result.Describe();
      EXPECT_TRUE(result.Succeeded()) << mib << library << result.Describe();
    }
  }
}

TEST(ShrinkingTest, WhatTheSystemDoesNotTakeBackHasTheWantedSize) {
  const ChildResult result = RunChild(
      {{RunfilePath("tests/fault/out_of_memory_linked"), "shrink", "1"},
       {},
       ""});
  if (result.exit_code == kNotPossible) GTEST_SKIP() << result.Describe();
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
  EXPECT_EQ(result.out, "ok\n");
}

// A limit of a cgroup does not refuse memory: who has more is killed. So what
// a program has freed may not keep it from what it asks for next.
class MemoryGroupTest : public ::testing::Test {
 protected:
  // Of the objects of 24 bytes, 58 MiB are live; glibc's malloc has 68.
  static constexpr long kMostKiB = 128 << 10;

  static ChildResult Run(std::vector<std::string> before) {
    ChildOptions child;
    child.argv = std::move(before);
    child.argv.insert(
        child.argv.end(),
        {RunfilePath("tests/fault/out_of_memory_linked"), "waves", "40", "2"});
    return RunChild(child);
  }
};

TEST_F(MemoryGroupTest, FreedMemoryServesOtherSizes) {
  if (kIsDebug) GTEST_SKIP() << "what it knows of all addresses takes more";
  const ChildResult result = Run({});
  ASSERT_TRUE(result.Succeeded()) << result.Describe();
  const long most_kib = strtol(result.out.c_str(), nullptr, 10);
  RecordProperty("most_kib", static_cast<int>(most_kib));
  EXPECT_GT(most_kib, 40 << 10);
  EXPECT_LT(most_kib, kMostKiB);
}

TEST_F(MemoryGroupTest, AProgramLivesWithinItsGroupsLimit) {
  if (kIsDebug) GTEST_SKIP() << "what it knows of all addresses takes more";
  const std::vector<std::string> in_group = {
      "systemd-run",    "--scope", "--quiet",        "-p",
      "MemoryMax=128M", "-p",      "MemorySwapMax=0"};
  std::vector<std::string> probe = in_group;
  probe.push_back("true");
  ChildOptions child;
  child.argv = probe;
  if (!RunChild(child).Succeeded()) {
    GTEST_SKIP() << "systemd-run makes no group with a limit here";
  }
  const ChildResult result = Run(in_group);
  EXPECT_TRUE(result.Succeeded()) << result.Describe();
}

INSTANTIATE_TEST_SUITE_P(Cases, OutOfMemoryTest, ::testing::ValuesIn(Cases()),
                         [](const auto& info) { return Name(info.param); });

}  // namespace
}  // namespace myonly::testing
