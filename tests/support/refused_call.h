// A system call that the kernel refuses from now on, to this process and those
// that it makes. tests/fault/system_limits.h refuses several, once or for ever.
#ifndef MYONLY_TESTS_SUPPORT_REFUSED_CALL_H_
#define MYONLY_TESTS_SUPPORT_REFUSED_CALL_H_

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace myonly::testing {

// `number` is SYS_getrandom and the like. False: the kernel has no filters.
inline bool RefuseCall(long number) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_SUPPORT_REFUSED_CALL_H_
