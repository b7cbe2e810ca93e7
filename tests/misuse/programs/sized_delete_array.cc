// An array is deleted with a wrong size.
#include <new>

#include "tests/misuse/programs/harness.h"

static void* Hidden(void* ptr) {
  asm volatile("" : "+r"(ptr));
  return ptr;
}

void Program(void) {
  void* object = Hidden(operator new[](kSmall));
  operator delete[](object, static_cast<size_t>(kMedium));
}
