// Freed is the address of a function.
#include "tests/misuse/programs/harness.h"

void Program(void) { Free((void*)(uintptr_t)&Program); }
