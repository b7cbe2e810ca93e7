// What this process has and no other: the seed.
#include "allocator/runtime/process_globals.h"

#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "allocator/base/treap.h"
#include "gtest/gtest.h"
#include "tests/support/refused_call.h"

namespace myonly::internal {
namespace {

constexpr int kNoSandbox = 77;

// How a child ends that has done `what`.
template <typename What>
int ExitCodeOf(What what) {
  const pid_t child = fork();
  if (child == 0) _exit(what());
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

uint64_t SeedOfAChild() {
  int ends[2];
  if (pipe(ends) != 0) return 0;
  ExitCodeOf([&ends] {
    const uint64_t seed = RandomSeed();
    return write(ends[1], &seed, sizeof(seed)) == sizeof(seed) ? 0 : 1;
  });
  close(ends[1]);
  uint64_t seed = 0;
  if (read(ends[0], &seed, sizeof(seed)) != sizeof(seed)) seed = 0;
  close(ends[0]);
  return seed;
}

// This process has asked for none before its children do.
TEST(RandomSeedTest, EachProcessHasItsOwn) {
  const uint64_t one = SeedOfAChild();
  const uint64_t other = SeedOfAChild();
  EXPECT_NE(one, 0U);
  EXPECT_NE(other, 0U);
  EXPECT_NE(one, other);
}

TEST(RandomSeedTest, StaysTheSameInOneProcess) {
  EXPECT_EQ(ExitCodeOf([] { return RandomSeed() == RandomSeed() ? 0 : 1; }), 0);
}

TEST(RandomSeedTest, EachHeapHasItsOwn) {
  EXPECT_EQ(
      ExitCodeOf([] {
        const uint64_t seeds[] = {NewHeapSeed(), NewHeapSeed(), RandomSeed()};
        return seeds[0] != seeds[1] && seeds[0] != seeds[2] &&
                       seeds[1] != seeds[2]
                   ? 0
                   : 1;
      }),
      0);
}

TEST(RandomSeedTest, IsWhatTheKernelGaveAtTheStartWhereItGivesNoMore) {
  const int code = ExitCodeOf([] {
    uint64_t given;
    memcpy(&given, reinterpret_cast<const void*>(getauxval(AT_RANDOM)),
           sizeof(given));
    if (!myonly::testing::RefuseCall(SYS_getrandom)) return kNoSandbox;
    return RandomSeed() == MixBits(given) ? 0 : 1;
  });
  if (code == kNoSandbox) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace myonly::internal
