// Leaves blocks of an arena at its end, and others that went with a reset of
// it. With an argument the memory of the process can't be searched.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "myonly/myonly.h"

namespace {

// From now on nobody reads another's memory by the system, nor its own.
bool RefuseReading() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

bool AllocateBlocks(myonly_arena* arena, int count) {
  for (int i = 0; i < count; ++i) {
    if (myonly_arena_alloc(arena, 4000) == nullptr) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** /*argv*/) {
  if (argc > 1 && !RefuseReading()) return 77;
  myonly_arena* arena = nullptr;
  if (myonly_arena_create(nullptr, &arena) != MYONLY_OK) return 1;
  if (!AllocateBlocks(arena, 100)) return 2;
  if (myonly_arena_reset(arena) != MYONLY_OK) return 3;
  return AllocateBlocks(arena, 3) ? 0 : 4;
}
