// malloc_usable_size, malloc_trim, mallopt, mallinfo and their like; and that
// every name of the family is one library's.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/conformance/family_checks.h"

// mallinfo is there for old programs.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void CheckNames(void) {
  static const char* const kNames[] = {"malloc",
                                       "free",
                                       "calloc",
                                       "realloc",
                                       "reallocarray",
                                       "memalign",
                                       "aligned_alloc",
                                       "posix_memalign",
                                       "valloc",
                                       "pvalloc",
                                       "cfree",
                                       "free_sized",
                                       "free_aligned_sized",
                                       "malloc_usable_size",
                                       "malloc_trim",
                                       "mallopt",
                                       "mallinfo",
                                       "mallinfo2",
                                       "malloc_stats",
                                       "malloc_info",
                                       "__libc_malloc",
                                       "__libc_free",
                                       "__libc_calloc",
                                       "__libc_realloc",
                                       "__libc_memalign",
                                       "_Znwm",
                                       "_Znam",
                                       "_ZdlPv",
                                       "_ZdaPv",
                                       "_ZdlPvm",
                                       "_ZdaPvm",
                                       "_ZnwmSt11align_val_t",
                                       "_ZdlPvSt11align_val_t",
                                       "_ZdlPvmSt11align_val_t",
                                       "_ZnwmRKSt9nothrow_t"};
  Dl_info ours;
  const int known = dladdr(dlsym(RTLD_DEFAULT, "malloc"), &ours);
  for (size_t i = 0; i < sizeof(kNames) / sizeof(kNames[0]); ++i) {
    void* function = dlsym(RTLD_DEFAULT, kNames[i]);
    Dl_info info;
    ASSERT_OF(kNames[i], known != 0 && function != NULL &&
                             dladdr(function, &info) != 0 &&
                             info.dli_fbase == ours.dli_fbase);
  }
}

static size_t BytesInUse(void) {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

static void CheckStatistics(void) {
  const size_t before = BytesInUse();
  void* block = malloc(1 << 20);
  ASSERT(BytesInUse() >= before + (1 << 20));
  free(block);
  ASSERT(BytesInUse() < before + (1 << 20));
  const struct mallinfo2 wide = mallinfo2();
  ASSERT(wide.arena == wide.uordblks + wide.fordblks);
  ASSERT(mallinfo().uordblks == (int)mallinfo2().uordblks);
  char text[4096] = {0};
  FILE* stream = fmemopen(text, sizeof(text), "w");
  ASSERT(stream != NULL && malloc_info(0, stream) == 0);
  ASSERT(malloc_info(1, stream) != 0);
  if (stream != NULL) fclose(stream);
  ASSERT(strncmp(text, "<malloc version=", 16) == 0);
  ASSERT(strstr(text, "</malloc>") != NULL);
}

void CheckQuestions(void) {
  ASSERT(malloc_usable_size(NULL) == 0);
  for (size_t size = 0; size < 70000; size = size * 2 + 1) {
    void* block = malloc(size);
    ASSERT_OF("usable size holds the request and stays", IsWhole(block, size));
    free(block);
  }
  errno = kErrnoBefore;
  const int trimmed = malloc_trim(0);
  ASSERT(trimmed == 0 || trimmed == 1);
  ASSERT(malloc_trim(1 << 20) == 0 || ErrnoNow() == kErrnoBefore);
  ASSERT(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
  ASSERT(mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1);
  ASSERT(mallopt(M_ARENA_MAX, 2) == 1);
  ASSERT(mallopt(M_MXFAST, 64) == 1);
  ASSERT(mallopt(M_MXFAST, 1 << 20) == 0);
  CheckStatistics();
  CheckNames();
}
