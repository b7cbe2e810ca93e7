// Allocates while the loader still relocates the program: the resolver of an
// indirect function runs before every constructor.
#include <stdlib.h>

#include "tests/capi/use_heap.h"

namespace {

int Seven() { return 7; }

// As little as a resolver may do; in a static program it runs before libc has
// set up anything, thread-local memory included.
void* resolver_block = nullptr;

using Function = int();

extern "C" __attribute__((used)) Function* ResolveNumber() {
  resolver_block = malloc(100);
  free(malloc(5000));
  return Seven;
}

}  // namespace

int Number() __attribute__((ifunc("ResolveNumber")));

int main() {
  if (Number() != 7 || resolver_block == nullptr) return 1;
  free(resolver_block);
  myonly::testing::UseHeap("main");
  return 0;
}
