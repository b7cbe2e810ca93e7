// A large object is deleted as a smaller one.
#include <new>

#include "tests/misuse/programs/harness.h"

static void* Hidden(void* ptr) {
  asm volatile("" : "+r"(ptr));
  return ptr;
}

void Program(void) {
  void* object = Hidden(operator new(kLarge));
  operator delete(object, static_cast<size_t>(kMedium));
}
