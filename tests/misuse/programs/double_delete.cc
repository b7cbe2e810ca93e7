// An object is deleted twice.
#include <new>

#include "tests/misuse/programs/harness.h"

void Program(void) {
  void* volatile object = operator new(kSmall);
  operator delete(object);
  operator delete(object);
}
