// What this process has and no other: the seed.
#include "allocator/runtime/process_globals.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "allocator/base/treap.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr int kNoSandbox = 77;

// From now on the system gives no random bytes.
bool RefuseGetRandom() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

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

TEST(RandomSeedTest, IsWhatTheKernelGaveAtTheStartWhereItGivesNoMore) {
  const int code = ExitCodeOf([] {
    uint64_t given;
    memcpy(&given, reinterpret_cast<const void*>(getauxval(AT_RANDOM)),
           sizeof(given));
    if (!RefuseGetRandom()) return kNoSandbox;
    return RandomSeed() == MixBits(given) ? 0 : 1;
  });
  if (code == kNoSandbox) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace myonly::internal
