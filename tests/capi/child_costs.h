// What the start and the end of a program cost: system calls and page faults.
#ifndef MYONLY_TESTS_CAPI_CHILD_COSTS_H_
#define MYONLY_TESTS_CAPI_CHILD_COSTS_H_

#include <string>

namespace myonly::testing {

// Runs `program` with `preload` (empty: nothing) preloaded and counts its
// system calls, from execve to exit_group as strace shows them. -1 if it did
// not exit with 0 or processes can't be traced here.
long CountSystemCalls(const std::string& program, const std::string& preload);

// The same for its page faults, minor ones and others.
long CountPageFaults(const std::string& program, const std::string& preload);

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_CAPI_CHILD_COSTS_H_
