// Raw system calls: they return -errno on failure and leave errno alone, and no
// interposed wrapper can call back into malloc.
#ifndef MYONLY_ALLOCATOR_BASE_SYSTEM_CALL_H_
#define MYONLY_ALLOCATOR_BASE_SYSTEM_CALL_H_

#include <sys/syscall.h>

namespace myonly::internal {

enum class SystemCallNumber : long {
  kWrite = SYS_write,
  kRead = SYS_read,
  kPRead = SYS_pread64,
  kOpenAt = SYS_openat,
  kClose = SYS_close,
  kReadLinkAt = SYS_readlinkat,
  kGetPid = SYS_getpid,
  kGetTid = SYS_gettid,
  kMmap = SYS_mmap,
  kMunmap = SYS_munmap,
  kMprotect = SYS_mprotect,
  kMremap = SYS_mremap,
  kMadvise = SYS_madvise,
  kFutex = SYS_futex,
  kPrlimit = SYS_prlimit64,
  kNanosleep = SYS_nanosleep,
  kPrctl = SYS_prctl,
  kSigProcMask = SYS_rt_sigprocmask,
  kSchedYield = SYS_sched_yield,
  kGetRandom = SYS_getrandom,
  kProcessVmReadV = SYS_process_vm_readv,
};

// The result; values in [-4095, -1] are -errno.
inline long SystemCall(SystemCallNumber number, unsigned long a = 0,
                       unsigned long b = 0, unsigned long c = 0,
                       unsigned long d = 0, unsigned long e = 0,
                       unsigned long f = 0) {
#if defined(__x86_64__)
  long result = static_cast<long>(number);
  register unsigned long r10 asm("r10") = d;
  register unsigned long r8 asm("r8") = e;
  register unsigned long r9 asm("r9") = f;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 asm("x8") = static_cast<long>(number);
  register unsigned long x0 asm("x0") = a;
  register unsigned long x1 asm("x1") = b;
  register unsigned long x2 asm("x2") = c;
  register unsigned long x3 asm("x3") = d;
  register unsigned long x4 asm("x4") = e;
  register unsigned long x5 asm("x5") = f;
  asm volatile("svc 0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory");
  return static_cast<long>(x0);
#else
#error "SystemCall is not written for this processor"
#endif
}

inline bool SystemCallFailed(long result) {
  return result < 0 && result >= -4095;
}

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_SYSTEM_CALL_H_
