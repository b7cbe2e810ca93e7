// aligned_alloc, posix_memalign, memalign, valloc and pvalloc.
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>

#include "tests/conformance/family_checks.h"

enum { kPage = 4096, kMaxPower = 30 };

static int IsGood(void* block, size_t alignment, size_t size) {
  if (block == NULL) {
    return addresses_are_limited && alignment >= (1 << 26) &&
           ErrnoNow() == ENOMEM;
  }
  const int good = IsAligned(block, alignment) && IsAligned(block, 16) &&
                   IsWhole(block, size);
  free(block);
  return good;
}

static void* Posix(size_t alignment, size_t size) {
  void* block = NULL;
  const int error = posix_memalign(&block, alignment, size);
  if (error != 0) errno = error;
  return block;
}

static int IsRefused(void* block, int error) {
  const int good = block == NULL && ErrnoNow() == error;
  free(block);
  errno = kErrnoBefore;
  return good;
}

// An error as the answer, errno and the pointer as they were.
static int PosixRefuses(size_t alignment, size_t size, int error) {
  char mark;
  void* block = &mark;
  errno = kErrnoBefore;
  const int answer = posix_memalign(&block, Hide(alignment), Hide(size));
  return answer == error && ErrnoNow() == kErrnoBefore && block == &mark;
}

static void CheckPowers(void) {
  for (int power = 0; power <= kMaxPower; ++power) {
    const size_t alignment = (size_t)1 << power;
    ASSERT_OF("aligned_alloc aligns",
              IsGood(aligned_alloc(alignment, 1), alignment, 1) &&
                  IsGood(aligned_alloc(alignment, 1000), alignment, 1000) &&
                  IsGood(aligned_alloc(alignment, 100000), alignment, 100000));
    ASSERT_OF("memalign aligns",
              IsGood(memalign(alignment, 1), alignment, 1) &&
                  IsGood(memalign(alignment, 5000), alignment, 5000));
    if (alignment < sizeof(void*)) {
      ASSERT_OF("posix_memalign refuses less than a pointer",
                PosixRefuses(alignment, 8, EINVAL));
    } else {
      ASSERT_OF("posix_memalign aligns",
                IsGood(Posix(alignment, 1), alignment, 1) &&
                    IsGood(Posix(alignment, 70000), alignment, 70000));
    }
  }
}

void CheckAligned(void) {
  const size_t most = Hide(SIZE_MAX);
  CheckPowers();
  errno = kErrnoBefore;
  ASSERT(IsRefused(aligned_alloc(Hide(0), 8), EINVAL));
  ASSERT(IsRefused(aligned_alloc(Hide(3), 9), EINVAL));
  ASSERT(IsRefused(aligned_alloc(Hide(24), 48), EINVAL));
  ASSERT(IsRefused(aligned_alloc(Hide(4097), 4097), EINVAL));
  ASSERT(IsRefused(aligned_alloc(most, 8), EINVAL));
  ASSERT(IsRefused(aligned_alloc(64, most), ENOMEM));
  ASSERT(IsRefused(aligned_alloc(64, most - 63), ENOMEM));
  ASSERT(IsRefused(aligned_alloc(64, Hide(PTRDIFF_MAX)), ENOMEM));
  ASSERT(IsRefused(aligned_alloc(Hide((size_t)1 << 62), 8), ENOMEM));
  ASSERT(IsRefused(aligned_alloc(Hide((size_t)1 << 63), 8), ENOMEM));
  ASSERT(IsRefused(aligned_alloc(1 << 20, most - (1 << 20)), ENOMEM));
  ASSERT(PosixRefuses(0, 8, EINVAL));
  ASSERT(PosixRefuses(3, 8, EINVAL));
  ASSERT(PosixRefuses(12, 8, EINVAL));
  ASSERT(PosixRefuses(24, 8, EINVAL));
  ASSERT(PosixRefuses(SIZE_MAX, 8, EINVAL));
  ASSERT(PosixRefuses(64, SIZE_MAX, ENOMEM));
  ASSERT(PosixRefuses(64, SIZE_MAX - 63, ENOMEM));
  ASSERT(PosixRefuses(8, PTRDIFF_MAX, ENOMEM));
  ASSERT(PosixRefuses((size_t)1 << 62, 8, ENOMEM));
  ASSERT(PosixRefuses((size_t)1 << 63, 8, ENOMEM));
  ASSERT(IsGood(Posix(64, Hide(0)), 64, 0));
  ASSERT(IsGood(aligned_alloc(64, Hide(0)), 64, 0));
  ASSERT(IsGood(aligned_alloc(64, 65), 64, 65));
  ASSERT(IsGood(memalign(64, Hide(0)), 64, 0));
  ASSERT(IsGood(memalign(Hide(0), 10), 16, 10));
  ASSERT(IsGood(memalign(Hide(100), 10), 128, 10));
  ASSERT(IsRefused(memalign(64, most), ENOMEM));
  ASSERT(IsRefused(memalign(most, 8), EINVAL));
  ASSERT(IsGood(valloc(1), kPage, 1));
  ASSERT(IsGood(valloc(Hide(0)), kPage, 0));
  ASSERT(IsGood(valloc(100000), kPage, 100000));
  errno = kErrnoBefore;
  ASSERT(IsRefused(valloc(most), ENOMEM));
  ASSERT(IsRefused(valloc(most - 4095), ENOMEM));
  ASSERT(IsGood(pvalloc(1), kPage, kPage));
  ASSERT(IsGood(pvalloc(Hide(0)), kPage, 0));
  ASSERT(IsGood(pvalloc(kPage + 1), kPage, 2 * kPage));
  errno = kErrnoBefore;
  ASSERT(IsRefused(pvalloc(most), ENOMEM));
  ASSERT(IsRefused(pvalloc(most - 4094), ENOMEM));
  ASSERT(IsRefused(pvalloc(Hide(PTRDIFF_MAX)), ENOMEM));
}
