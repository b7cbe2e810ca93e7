// Ways to take memory away from a running program.
#ifndef MYONLY_TESTS_FAULT_SYSTEM_LIMITS_H_
#define MYONLY_TESTS_FAULT_SYSTEM_LIMITS_H_

#include <cstddef>

namespace myonly::testing {

// Lets the process have `bytes` of addresses in all.
bool LimitAddresses(size_t bytes);

// The same, beyond what it has now.
bool LimitMoreAddresses(size_t bytes);

// Lets it write to `bytes` of private pages in all.
bool LimitData(size_t bytes);

// Where the kernel promises no more memory than it has
// (vm.overcommit_memory=2): takes promises until about `left` bytes are left to
// the whole machine. False: it promises more.
bool TakeCommitment(size_t left);

// Makes mappings until the kernel allows about `left` more (vm.max_map_count).
// False: it allows more than a test can make.
bool TakeMappings(size_t left);

// From now on the system calls named in `calls` ("mmap", "munmap", "mremap",
// "madvise", "mprotect", several joined by '+', or "all") fail with `error` in
// this thread. With "all" the heap's end (brk) stays where it is as well.
// False: the kernel refuses.
bool DenyCalls(const char* calls, int error);

// From now on whoever has the descriptor that this returns is asked about these
// calls of this thread and of what it starts (seccomp_unotify(2)). -1: the
// kernel refuses.
int WatchCalls(const char* calls);

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_FAULT_SYSTEM_LIMITS_H_
