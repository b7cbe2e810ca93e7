// Runs out of memory where the C++ runtime is linked as sparingly as can be.
#include <stddef.h>
#include <stdint.h>

#include <new>

#include "tests/capi/use_heap.h"

int main() {
  size_t size = PTRDIFF_MAX;
  asm volatile("" : "+r"(size));
  if (::operator new(size, std::nothrow) != nullptr) return 1;
  myonly::testing::Reached("nothrow");
  try {
    void* volatile block = ::operator new(size);
    return block != nullptr ? 2 : 3;
  } catch (const std::bad_alloc&) {
    myonly::testing::Reached("bad_alloc");
  }
  return 0;
}
