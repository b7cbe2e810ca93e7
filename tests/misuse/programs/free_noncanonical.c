// Freed is an address that no process can have.
#include "tests/misuse/programs/harness.h"

void Program(void) { Free((void*)(uintptr_t)0x4141414141414140); }
