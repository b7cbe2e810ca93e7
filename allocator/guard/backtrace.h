// The stack of the calling thread: taken by the compiler's unwinder, which
// needs no frame pointers, and printed as addresses that addr2line reads.
//
// Nothing here allocates or takes a lock of ours. Of glibc from 2.35 on the
// unwinder takes none either, so both may be called in a signal handler; before
// that it takes the dynamic linker's. Thread-safe.
#ifndef MYONLY_ALLOCATOR_GUARD_BACKTRACE_H_
#define MYONLY_ALLOCATOR_GUARD_BACKTRACE_H_

#include <cstddef>

#include "absl/base/attributes.h"

namespace myonly::internal {

// Whether stacks can be read here. Not in a program that is linked statically
// to fixed addresses: what its start code tells the unwinder comes after the
// first calls of malloc, and makes the unwinder allocate with its lock held.
ABSL_ATTRIBUTE_COLD bool CanUnwind();

// Writes up to `max` addresses of calls, the innermost first: the caller of
// this function, or, where the allocator is a shared library, the caller of
// that. Each is an address within the call, not the one it returns to.
// Returns how many there are: 0 if the stack can't be read.
ABSL_ATTRIBUTE_COLD ABSL_ATTRIBUTE_NOINLINE size_t CaptureStack(void** frames,
                                                                size_t max);

// Writes `title` and a line for each frame to a file descriptor:
//
//     #0 0x55d0c0a01020 /usr/bin/program+0x1020
//
// The number behind the path is what addr2line -e wants. Without /proc there
// are addresses only. Keeps errno.
ABSL_ATTRIBUTE_COLD void PrintStack(int fd, const char* title,
                                    void* const* frames, size_t count);

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_GUARD_BACKTRACE_H_
