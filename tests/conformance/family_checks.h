// Counted assertions on the malloc family of the process, for programs that
// run without a test framework: whatever the environment, they must hold.
#ifndef MYONLY_TESTS_CONFORMANCE_FAMILY_CHECKS_H_
#define MYONLY_TESTS_CONFORMANCE_FAMILY_CHECKS_H_

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// One assertion: counted, and printed if it fails.
void Assert(int holds, const char* what, const char* file, int line);
#define ASSERT(condition) \
  Assert((condition) != 0, #condition, __FILE__, __LINE__)
// The same with what it is about.
#define ASSERT_OF(name, condition) \
  Assert((condition) != 0, name, __FILE__, __LINE__)

// Addresses are limited: what is large may be refused, with ENOMEM.
extern int addresses_are_limited;

enum { kErrnoBefore = 77 };

// errno. Clang takes it that malloc and its like leave that as it is, and need
// not read again what it has seen written.
int ErrnoNow(void);

// Compilers know nothing of the value.
size_t Hide(size_t value);

int IsAligned(const void* block, size_t alignment);
int IsZero(const void* block, size_t bytes);
// The block has `bytes` at least, its usable size stays what it is, and all of
// it can be written and read.
int IsWhole(void* block, size_t bytes);

// What each file checks.
void CheckAllocating(void);
void CheckResizing(void);
void CheckAligned(void);
void CheckFreeing(void);
void CheckQuestions(void);
void CheckLibraryResults(void);
void CheckOperators(void);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // MYONLY_TESTS_CONFORMANCE_FAMILY_CHECKS_H_
