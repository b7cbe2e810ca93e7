// Tests of malloc & co run twice: linked with `malloc =`, and as an ordinary
// program under LD_PRELOAD. This is what differs.
#ifndef MYONLY_TESTS_CAPI_PROCESS_MALLOC_H_
#define MYONLY_TESTS_CAPI_PROCESS_MALLOC_H_

#include <stddef.h>

namespace myonly::testing {

// True if malloc is the project's: without it these tests would test libc.
bool MallocIsOurs();

// C23's functions, which libc does not have yet.
void FreeSized(void* ptr, size_t size);
void FreeAlignedSized(void* ptr, size_t alignment, size_t size);

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_CAPI_PROCESS_MALLOC_H_
