// free in all its forms: what it takes, and that it leaves errno alone, also
// where the system refuses to take memory back.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/conformance/family_checks.h"

static const size_t kSizes[] = {0,     1,      100,     1000,    3000,
                                65000, 100000, 1 << 20, 9 << 20, 40 << 20};
enum { kNumSizes = sizeof(kSizes) / sizeof(kSizes[0]), kRounds = 40 };

// Many at once, so that memory goes back to the system.
static int KeepsErrno(size_t size) {
  void* blocks[kRounds];
  const int count = size > (4 << 20) ? 4 : kRounds;
  for (int i = 0; i < count; ++i) blocks[i] = malloc(size);
  errno = kErrnoBefore;
  for (int i = 0; i < count; ++i) free(blocks[i]);
  return ErrnoNow() == kErrnoBefore;
}

static void* FreeIt(void* block) {
  errno = kErrnoBefore;
  free(block);
  return ErrnoNow() == kErrnoBefore ? block : NULL;
}

static int KeepsErrnoElsewhere(size_t size) {
  void* block = malloc(size);
  pthread_t thread;
  void* answer = NULL;
  if (block == NULL || pthread_create(&thread, NULL, FreeIt, block) != 0) {
    return addresses_are_limited;
  }
  pthread_join(thread, &answer);
  return answer == block;
}

static void CheckSized(void) {
  typedef void FreeSized(void* ptr, size_t size);
  typedef void FreeAlignedSized(void* ptr, size_t alignment, size_t size);
  FreeSized* free_sized = (FreeSized*)dlsym(RTLD_DEFAULT, "free_sized");
  FreeAlignedSized* free_aligned_sized =
      (FreeAlignedSized*)dlsym(RTLD_DEFAULT, "free_aligned_sized");
  ASSERT(free_sized != NULL);
  ASSERT(free_aligned_sized != NULL);
  if (free_sized == NULL || free_aligned_sized == NULL) return;
  errno = kErrnoBefore;
  free_sized(NULL, 0);
  free_sized(NULL, 100);
  free_aligned_sized(NULL, 64, 0);
  for (int i = 0; i < kNumSizes; ++i) {
    const size_t size = kSizes[i];
    free_sized(malloc(size), size);
    free_sized(calloc(1, size), size);
    free_sized(realloc(malloc(3 * size + 5), size + 1), size + 1);
    free_sized(realloc(malloc(size / 3 + 1), size + 1), size + 1);
    for (size_t alignment = 16; alignment <= 65536; alignment *= 4) {
      free_aligned_sized(aligned_alloc(alignment, size), alignment, size);
    }
    ASSERT_OF("sized forms free", ErrnoNow() == kErrnoBefore);
  }
}

// In the preset secure what is freed of more than 4 MiB goes back and is not
// used again. Where addresses are limited and none go back, none may be left.
static int MayBeUsedUp(size_t size) {
#ifdef MYONLY_PRESET_SECURE
  return addresses_are_limited && size > 4 << 20 && ErrnoNow() == ENOMEM;
#else
  (void)size;
  return 0;
#endif
}

// From now on this process can give no memory back.
static int RefuseToTakeBack(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
  };
  struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

void CheckFreeing(void) {
  errno = kErrnoBefore;
  free(NULL);
  ASSERT(ErrnoNow() == kErrnoBefore);
  for (int i = 0; i < kNumSizes; ++i) {
    ASSERT_OF("free keeps errno", KeepsErrno(kSizes[i]));
    ASSERT_OF("free in another thread keeps errno",
              KeepsErrnoElsewhere(kSizes[i]));
  }
  CheckSized();
  if (!RefuseToTakeBack()) return;
  for (int i = 0; i < kNumSizes; ++i) {
    ASSERT_OF("free keeps errno where the system fails", KeepsErrno(kSizes[i]));
  }
  errno = kErrnoBefore;
  malloc_trim(0);
  for (int i = 0; i < kNumSizes; ++i) {
    void* block = malloc(kSizes[i]);
    ASSERT_OF(
        "malloc works where the system takes nothing back",
        block == NULL ? MayBeUsedUp(kSizes[i]) : IsWhole(block, kSizes[i]));
    free(block);
  }
}
