// Freed is a very low address.
#include "tests/misuse/programs/harness.h"

void Program(void) { Free((void*)(uintptr_t)16); }
