// Leaves blocks of an arena at its end, and others that went with a reset of
// it. With an argument the memory of the process can't be searched.
#include <sys/syscall.h>

#include "myonly/myonly.h"
#include "tests/support/refused_call.h"

namespace {

bool AllocateBlocks(myonly_arena* arena, int count) {
  for (int i = 0; i < count; ++i) {
    if (myonly_arena_alloc(arena, 4000) == nullptr) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** /*argv*/) {
  if (argc > 1 && !myonly::testing::RefuseCall(SYS_process_vm_readv)) return 77;
  myonly_arena* arena = nullptr;
  if (myonly_arena_create(nullptr, &arena) != MYONLY_OK) return 1;
  if (!AllocateBlocks(arena, 100)) return 2;
  if (myonly_arena_reset(arena) != MYONLY_OK) return 3;
  return AllocateBlocks(arena, 3) ? 0 : 4;
}
