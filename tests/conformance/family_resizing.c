// realloc and reallocarray on blocks that are there.
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>

#include "tests/conformance/family_checks.h"

static void Fill(char* block, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) block[i] = (char)(i * 7 + (i >> 9));
}

static int Holds(const char* block, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    if (block[i] != (char)(i * 7 + (i >> 9))) return 0;
  }
  return 1;
}

static int KeepsContents(size_t from, size_t to) {
  const size_t kept = from < to ? from : to;
  char* block = malloc(from);
  if (block == NULL) return 0;
  Fill(block, from);
  errno = kErrnoBefore;
  char* resized = realloc(block, to);
  if (resized == NULL) return 0;
  const int good = ErrnoNow() == kErrnoBefore && IsAligned(resized, 16) &&
                   Holds(resized, kept) && IsWhole(resized, to);
  free(resized);
  return good;
}

static int KeepsBlockWhenRefused(size_t size, size_t wanted) {
  char* block = malloc(size);
  if (block == NULL) return 0;
  Fill(block, size);
  errno = kErrnoBefore;
  void* resized = realloc(block, Hide(wanted));
  const int good =
      resized == NULL && ErrnoNow() == ENOMEM && Holds(block, size);
  free(block);
  return good;
}

static int ZeroFrees(size_t size) {
  void* block = malloc(size);
  if (block == NULL) return 0;
  errno = kErrnoBefore;
  void* left = realloc(block, Hide(0));
  return left == NULL && ErrnoNow() == kErrnoBefore;
}

// Step by step, beside others.
static int Grows(size_t most, size_t step) {
  char* block = malloc(1);
  size_t size = 1;
  Fill(block, size);
  while (size < most) {
    void* other = malloc(size / 2 + 1);
    const size_t next = size + size / step + 1;
    block = realloc(block, next);
    free(other);
    if (block == NULL || !Holds(block, size)) return 0;
    Fill(block, next);
    size = next;
  }
  while (size > 1) {
    size -= size / step + 1;
    if (size == 0) size = 1;
    block = realloc(block, size);
    if (block == NULL || !Holds(block, size)) return 0;
  }
  free(block);
  return 1;
}

void CheckResizing(void) {
  static const size_t kSizes[] = {1,     100,    1024,    3000,
                                  65536, 200000, 1 << 20, 9 << 20};
  enum { kNumSizes = sizeof(kSizes) / sizeof(kSizes[0]) };
  for (int i = 0; i < kNumSizes; ++i) {
    int kept = 1;
    for (int j = 0; j < kNumSizes; ++j) {
      kept &= KeepsContents(kSizes[i], kSizes[j]);
    }
    ASSERT_OF("realloc keeps contents", kept);
    ASSERT_OF("realloc that fails keeps the block",
              KeepsBlockWhenRefused(kSizes[i], SIZE_MAX) &&
                  KeepsBlockWhenRefused(kSizes[i], PTRDIFF_MAX) &&
                  KeepsBlockWhenRefused(kSizes[i], SIZE_MAX - 4095));
    ASSERT_OF("realloc to 0 frees and gives NULL", ZeroFrees(kSizes[i]));
  }
  ASSERT(Grows(1 << 20, 3));
  ASSERT(Grows(1 << 16, 16));
  char* array = reallocarray(NULL, 10, 10);
  ASSERT(IsWhole(array, 100));
  Fill(array, 100);
  char* volatile larger = reallocarray(array, 100, 100);
  ASSERT(larger != NULL && Holds(larger, 100));
  errno = kErrnoBefore;
  ASSERT(reallocarray(larger, Hide(SIZE_MAX), 2) == NULL &&
         ErrnoNow() == ENOMEM);
  ASSERT(Holds(larger, 100));
  errno = kErrnoBefore;
  ASSERT(reallocarray(larger, Hide(0), 5) == NULL &&
         ErrnoNow() == kErrnoBefore);
  void* aligned = aligned_alloc(4096, 4096);
  memset(aligned, 'a', 4096);
  char* moved = realloc(aligned, 100000);
  ASSERT(moved != NULL && moved[0] == 'a' && moved[4095] == 'a');
  free(moved);
}
