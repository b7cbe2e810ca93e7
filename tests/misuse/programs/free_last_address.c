// Freed is the last aligned address there is.
#include "tests/misuse/programs/harness.h"

void Program(void) { Free((void*)~(uintptr_t)15); }
