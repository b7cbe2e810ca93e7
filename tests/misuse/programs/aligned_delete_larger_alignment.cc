// An object of little alignment is deleted with a large one.
#include <new>

#include "tests/misuse/programs/harness.h"

static void* Hidden(void* ptr) {
  asm volatile("" : "+r"(ptr));
  return ptr;
}

void Program(void) {
  void* object = Hidden(operator new(kSmall));
  operator delete (object, static_cast<size_t>(kSmall), std::align_val_t{4096});
}
