#include "myonly/myonly.h"
#include "tests/capi/process_malloc.h"

extern "C" void free_sized(void* ptr, size_t size);
extern "C" void free_aligned_sized(void* ptr, size_t alignment, size_t size);

namespace myonly::testing {

bool MallocIsOurs() { return myonly_is_process_allocator() == 1; }

void FreeSized(void* ptr, size_t size) { free_sized(ptr, size); }

void FreeAlignedSized(void* ptr, size_t alignment, size_t size) {
  free_aligned_sized(ptr, alignment, size);
}

}  // namespace myonly::testing
