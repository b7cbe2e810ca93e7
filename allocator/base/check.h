// What is done when something is wrong: one line on stderr, then abort.
//
// MYONLY_CHECK stays on in every build: corruption and mistakes of the caller.
// MYONLY_DCHECK is for our own mistakes and is compiled out with NDEBUG.
// Nothing here allocates or takes a lock. Thread-safe.
#ifndef MYONLY_ALLOCATOR_BASE_CHECK_H_
#define MYONLY_ALLOCATOR_BASE_CHECK_H_

#include "absl/base/optimization.h"

namespace myonly::internal {

class Printer;

// Adds what is known of an address to a line. The runtime defines it; where
// only layers below are linked, it is missing.
__attribute__((weak)) void DescribeAddress(Printer* line, const void* address);

// Writes more lines about it, after the first one. The same of it; in the
// presets without a guard nobody does.
__attribute__((weak)) void ExplainMisuse(const void* address);

// Prints "myonlymalloc: <what> at 0x<address>", what DescribeAddress knows of
// it, and aborts.
[[noreturn]] void ReportAndAbort(const char* what, const void* address);

// The same for a mistake of the program after which it can go on, as the block
// in question is left as it is. It returns if GoOnAfterMisuse was called.
void ReportMisuse(const char* what, const void* address);
// For the whole process, at its start.
void GoOnAfterMisuse();
bool GoesOnAfterMisuse();

// Prints "myonlymalloc: check failed: <condition> (<file>:<line>)", aborts.
[[noreturn]] void CheckFailed(const char* condition, const char* file,
                              int line);

}  // namespace myonly::internal

#define MYONLY_CHECK(condition) \
  (ABSL_PREDICT_TRUE(condition) \
       ? static_cast<void>(0)   \
       : ::myonly::internal::CheckFailed(#condition, __FILE__, __LINE__))

#ifdef NDEBUG
#define MYONLY_DCHECK(condition) \
  static_cast<void>(sizeof(static_cast<bool>(condition)))
#else
#define MYONLY_DCHECK(condition) MYONLY_CHECK(condition)
#endif

#endif  // MYONLY_ALLOCATOR_BASE_CHECK_H_
