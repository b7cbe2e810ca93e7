#include "tests/fault/system_limits.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace myonly::testing {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArchitecture = 0;  // The filter lets everything pass.
#endif

struct Call {
  const char* name;
  uint32_t number;
};
constexpr Call kCalls[] = {{"mmap", SYS_mmap},
                           {"munmap", SYS_munmap},
                           {"mremap", SYS_mremap},
                           {"madvise", SYS_madvise},
                           {"mprotect", SYS_mprotect}};
constexpr size_t kNumCalls = sizeof(kCalls) / sizeof(kCalls[0]);

// `calls` has `name`, between '+' or the ends.
bool Has(const char* calls, const char* name) {
  const size_t length = strlen(name);
  for (const char* at = calls; (at = strstr(at, name)) != nullptr; ++at) {
    const bool begins = at == calls || at[-1] == '+';
    if (begins && (at[length] == '\0' || at[length] == '+')) return true;
  }
  return false;
}

// The first number of /proc/self/statm, without stdio, which allocates.
size_t AddressPages() {
  char text[64] = "";
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t length = read(fd, text, sizeof(text) - 1);
  close(fd);
  return length <= 0 ? 0 : strtoul(text, nullptr, 10);
}

// The heap's end can't be denied by a filter: libc reads brk's result as an
// address.
bool LimitHeapEnd() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_DATA, &limit) != 0) return false;
  limit.rlim_cur = 0;
  return setrlimit(RLIMIT_DATA, &limit) == 0;
}

}  // namespace

bool LimitAddresses(size_t bytes) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_AS, &limit) != 0) return false;
  limit.rlim_cur = bytes;
  return setrlimit(RLIMIT_AS, &limit) == 0;
}

bool LimitData(size_t bytes) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_DATA, &limit) != 0) return false;
  limit.rlim_cur = bytes;
  return setrlimit(RLIMIT_DATA, &limit) == 0;
}

bool TakeCommitment(size_t left) {
  char mode = '0';
  const int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool is_read = read(fd, &mode, 1) == 1;
  close(fd);
  if (!is_read || mode != '2') return false;
  const auto take = [](size_t bytes) {
    return mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  };
  // What shall be left is given back when all the rest is taken.
  void* kept = take(left);
  if (kept == MAP_FAILED) return false;
  constexpr size_t kLeast = size_t{1} << 20;
  for (size_t bytes = size_t{1} << 40; bytes >= kLeast;) {
    if (take(bytes) == MAP_FAILED) bytes /= 2;
  }
  return munmap(kept, left) == 0;
}

bool TakeMappings(size_t left) {
  constexpr size_t kMost = 300'000;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t bytes = (2 * kMost + 1) * page;
  void* range = mmap(nullptr, bytes, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) return false;
  // Each second page becomes a mapping of its own, and parts two others.
  char* start = static_cast<char*>(range);
  size_t made = 0;
  while (made < kMost &&
         mprotect(start + (2 * made + 1) * page, page, PROT_READ) == 0) {
    ++made;
  }
  if (made == kMost) return false;
  // Its neighbours' again.
  for (size_t i = 0; i < left / 2 && i < made; ++i) {
    mprotect(start + (2 * i + 1) * page, page, PROT_NONE);
  }
  return true;
}

bool LimitMoreAddresses(size_t bytes) {
  const size_t pages = AddressPages();
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return pages != 0 && LimitAddresses(pages * page + bytes);
}

namespace {

// Installs a filter: `action` for the calls that are named. What prctl or
// seccomp says.
long InstallFilter(const char* calls, uint32_t action, unsigned flags) {
  sock_filter code[2 * kNumCalls + 5];
  size_t size = 0;
  const auto add = [&](uint32_t op, uint32_t k, size_t yes, size_t no) {
    code[size++] = {static_cast<uint16_t>(op), static_cast<uint8_t>(yes),
                    static_cast<uint8_t>(no), k};
  };
  add(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch), 0, 0);
  add(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
  add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
  add(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr), 0, 0);
  for (const Call& call : kCalls) {
    if (strcmp(calls, "all") != 0 && !Has(calls, call.name)) continue;
    add(BPF_JMP | BPF_JEQ | BPF_K, call.number, 0, 1);
    add(BPF_RET | BPF_K, action, 0, 0);
  }
  add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
  const sock_fprog program = {static_cast<uint16_t>(size), code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

}  // namespace

bool DenyCalls(const char* calls, int error) {
  const uint32_t data = static_cast<uint32_t>(error) & SECCOMP_RET_DATA;
  if (InstallFilter(calls, SECCOMP_RET_ERRNO | data, 0) != 0) return false;
  return strcmp(calls, "all") != 0 || LimitHeapEnd();
}

int WatchCalls(const char* calls) {
  return static_cast<int>(InstallFilter(calls, SECCOMP_RET_USER_NOTIF,
                                        SECCOMP_FILTER_FLAG_NEW_LISTENER));
}

}  // namespace myonly::testing
