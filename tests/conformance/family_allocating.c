// malloc, calloc and reallocarray: what is given, what is refused.
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>

#include "tests/conformance/family_checks.h"

static const size_t kSizes[] = {
    1,       8,      15,      16,      17,      24,
    100,     1000,   1024,    1025,    4096,    65536,
    65537,   200000, 1 << 20, 8 << 20, 9 << 20, (8 << 20) + 1,
    24 << 20};
enum { kNumSizes = sizeof(kSizes) / sizeof(kSizes[0]) };

static int GivesAll(size_t from, size_t to) {
  for (size_t size = from; size <= to; ++size) {
    errno = kErrnoBefore;
    void* block = malloc(size);
    const int good = block != NULL && ErrnoNow() == kErrnoBefore &&
                     IsAligned(block, 16) && IsWhole(block, size);
    free(block);
    if (!good) return 0;
  }
  return 1;
}

// NULL with ENOMEM, and the heap goes on.
static int Refuses(void* block) {
  const int good = block == NULL && ErrnoNow() == ENOMEM;
  free(block);
  void* next = malloc(100);
  const int goes_on = IsWhole(next, 100);
  free(next);
  errno = kErrnoBefore;
  return good && goes_on;
}

static void CheckTooBig(void) {
  const size_t half = Hide(PTRDIFF_MAX);
  const size_t most = Hide(SIZE_MAX);
  errno = kErrnoBefore;
  ASSERT(Refuses(malloc(most)));
  ASSERT(Refuses(malloc(most - 1)));
  ASSERT(Refuses(malloc(most - 8)));
  ASSERT(Refuses(malloc(most - 15)));
  ASSERT(Refuses(malloc(most - 16)));
  ASSERT(Refuses(malloc(most - 4096)));
  ASSERT(Refuses(malloc(half)));
  ASSERT(Refuses(malloc(half + 1)));
  ASSERT(Refuses(malloc(half - 1)));
  ASSERT(Refuses(malloc(half - 4096)));
  ASSERT(Refuses(malloc(half / 2)));
  ASSERT(Refuses(malloc(Hide((size_t)1 << 48))));
  ASSERT(Refuses(calloc(most, 1)));
  ASSERT(Refuses(calloc(1, most)));
  ASSERT(Refuses(calloc(most, most)));
  ASSERT(Refuses(calloc(2, most)));
  ASSERT(Refuses(calloc(most, 2)));
  ASSERT(Refuses(calloc(half, 1)));
  ASSERT(Refuses(calloc(half + 1, 1)));
  ASSERT(Refuses(calloc(half + 1, 2)));
  ASSERT(Refuses(calloc(Hide((size_t)1 << 32), Hide((size_t)1 << 32))));
  ASSERT(Refuses(calloc(Hide((size_t)1 << 33), Hide((size_t)1 << 31))));
  ASSERT(Refuses(calloc((most >> 4) + 2, 16)));
  ASSERT(Refuses(calloc(most / 3 + 1, 3)));
  ASSERT(Refuses(reallocarray(NULL, most, 2)));
  ASSERT(Refuses(reallocarray(NULL, 2, most)));
  ASSERT(Refuses(reallocarray(NULL, most, most)));
  ASSERT(Refuses(reallocarray(NULL, half, 1)));
  ASSERT(Refuses(reallocarray(NULL, most / 3 + 1, 3)));
  ASSERT(Refuses(realloc(NULL, most)));
  ASSERT(Refuses(realloc(NULL, half)));
}

static void CheckZero(void) {
  void* blocks[] = {malloc(Hide(0)),
                    malloc(Hide(0)),
                    calloc(Hide(0), Hide(0)),
                    calloc(Hide(0), 8),
                    calloc(8, Hide(0)),
                    calloc(Hide(0), Hide(SIZE_MAX)),
                    calloc(Hide(SIZE_MAX), Hide(0)),
                    realloc(NULL, Hide(0)),
                    reallocarray(NULL, Hide(0), 8),
                    reallocarray(NULL, 8, Hide(0))};
  enum { kBlocks = sizeof(blocks) / sizeof(blocks[0]) };
  for (int i = 0; i < kBlocks; ++i) {
    ASSERT_OF("a request of 0 bytes gives a block", blocks[i] != NULL);
    for (int j = 0; j < i; ++j) {
      if (blocks[i] == blocks[j]) ASSERT_OF("the block is its own", 0);
    }
  }
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
}

static int IsZeroWhenUsedAgain(size_t size) {
  for (int round = 0; round < 3; ++round) {
    void* dirty = malloc(size);
    if (dirty == NULL) return 0;
    memset(dirty, 0xff, malloc_usable_size(dirty));
    free(dirty);
    errno = kErrnoBefore;
    char* block = calloc(1, size);
    const int good =
        block != NULL && ErrnoNow() == kErrnoBefore && IsZero(block, size);
    if (block != NULL) memset(block, 0xff, malloc_usable_size(block));
    free(block);
    if (!good) return 0;
  }
  return 1;
}

void CheckAllocating(void) {
  ASSERT(GivesAll(1, 300));
  ASSERT(GivesAll(1000, 1050));
  ASSERT(GivesAll(4080, 4100));
  ASSERT(GivesAll(65520, 65540));
  ASSERT(GivesAll((1 << 20) - 1, (1 << 20) + 1));
  for (int i = 0; i < kNumSizes; ++i) {
    ASSERT_OF("malloc gives what is asked for", GivesAll(kSizes[i], kSizes[i]));
    ASSERT_OF("calloc clears what was used", IsZeroWhenUsedAgain(kSizes[i]));
  }
  char* product = calloc(37, 41);
  ASSERT(product != NULL && IsZero(product, 37 * 41) &&
         IsWhole(product, 37 * 41));
  free(product);
  CheckZero();
  CheckTooBig();
}
