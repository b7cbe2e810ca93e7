// malloc = "@myonlymalloc" beside a dependency on the C API: one heap.
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "myonly/myonly.h"

namespace {

bool IsOurs(const void* ptr) {
  myonly_arena* owner = nullptr;
  return myonly_arena_of(ptr, &owner) == MYONLY_OK;
}

}  // namespace

int main() {
  if (!myonly_is_process_allocator()) {
    std::fprintf(stderr, "malloc is not the allocator's\n");
    return 1;
  }
  void* from_malloc = std::malloc(100);
  const auto from_new = std::make_unique<char[]>(100);
  if (!IsOurs(from_malloc) || !IsOurs(from_new.get())) {
    std::fprintf(stderr, "a block is not the allocator's\n");
    return 1;
  }
  // Either side frees what the other one allocated.
  myonly_free(from_malloc);
  std::free(myonly_alloc(100));
  return 0;
}
