#include <dlfcn.h>
#include <stdlib.h>

#include "tests/capi/process_malloc.h"

namespace myonly::testing {
namespace {

template <typename Function>
Function* Preloaded(const char* name) {
  void* symbol = dlsym(RTLD_DEFAULT, name);
  if (symbol == nullptr) abort();
  return reinterpret_cast<Function*>(symbol);
}

}  // namespace

bool MallocIsOurs() {
  return Preloaded<int()>("myonly_is_process_allocator")() == 1;
}

void FreeSized(void* ptr, size_t size) {
  Preloaded<void(void*, size_t)>("free_sized")(ptr, size);
}

void FreeAlignedSized(void* ptr, size_t alignment, size_t size) {
  Preloaded<void(void*, size_t, size_t)>("free_aligned_sized")(ptr, alignment,
                                                               size);
}

}  // namespace myonly::testing
