// The edges of the aligned part of the malloc family, and of what tells and
// tunes.
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <array>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/preset.h"

namespace myonly::testing {
namespace {

constexpr int kErrnoBefore = 77;
constexpr size_t kPage = 4096;
constexpr size_t kMiB = size_t{1} << 20;

// Not known to the compiler, which warns of sizes that can't be.
size_t Hidden(size_t size) {
  asm volatile("" : "+r"(size));
  return size;
}

const size_t kMax = Hidden(SIZE_MAX);
const size_t kHalf = Hidden(PTRDIFF_MAX);

const std::array<size_t, 6> kTooBig = {kHalf - kPage, kHalf,    kHalf + 1,
                                       kMax - kPage,  kMax - 1, kMax};
const std::array<size_t, 8> kNoPowers = {0,  3,  5,    12,
                                         24, 48, 5000, (size_t{1} << 40) + 8};
const std::array<size_t, 7> kSizes = {0,     1,      100,     kPage + 1,
                                      50000, 700000, 9 * kMiB};

bool IsAligned(const void* ptr, size_t alignment) {
  return reinterpret_cast<uintptr_t>(ptr) % alignment == 0;
}

// `align(alignment, size)` on every power up to 1 GiB.
template <typename Align>
void ExpectBlocksOfAllAlignments(size_t smallest, Align align) {
  for (size_t alignment = smallest; alignment <= 1024 * kMiB; alignment *= 2) {
    for (size_t size : kSizes) {
      errno = kErrnoBefore;
      void* block = align(alignment, size);
      EXPECT_EQ(errno, kErrnoBefore);
      ASSERT_NE(block, nullptr) << alignment << " " << size;
      EXPECT_TRUE(IsAligned(block, alignment));
      EXPECT_TRUE(IsAligned(block, 16));
      EXPECT_GE(malloc_usable_size(block), size);
      memset(block, 1, size);
      free(block);
      EXPECT_EQ(errno, kErrnoBefore);
    }
  }
}

template <typename Allocate>
void ExpectFailure(int error, Allocate allocate) {
  errno = kErrnoBefore;
  void* ptr = allocate();
  // Clang takes it that valloc leaves errno alone.
  asm volatile("" : : : "memory");
  EXPECT_EQ(errno, error);
  EXPECT_EQ(ptr, nullptr);
  free(ptr);
}

TEST(PosixMemalignTest, ServesEveryPower) {
  ExpectBlocksOfAllAlignments(sizeof(void*), [](size_t alignment, size_t size) {
    void* block = nullptr;
    EXPECT_EQ(posix_memalign(&block, alignment, size), 0);
    return block;
  });
}

void ExpectError(int error, size_t alignment, size_t size) {
  int mark;
  void* out = &mark;
  errno = kErrnoBefore;
  EXPECT_EQ(posix_memalign(&out, alignment, size), error)
      << alignment << " " << size;
  EXPECT_EQ(out, &mark);
  EXPECT_EQ(errno, kErrnoBefore);
}

TEST(PosixMemalignTest, BadAlignmentIsInvalidAndTouchesNothing) {
  for (size_t alignment : kNoPowers) ExpectError(EINVAL, alignment, 10);
  for (size_t alignment : {1, 2, 4}) ExpectError(EINVAL, alignment, 10);
  ExpectError(EINVAL, kMax, 10);
  ExpectError(EINVAL, (size_t{1} << 63) + 1, 10);
  // Before the size is looked at.
  ExpectError(EINVAL, 3, kMax);
}

TEST(PosixMemalignTest, TooBigIsNoMemoryAndTouchesNothing) {
  for (size_t size : kTooBig) {
    for (size_t alignment : {size_t{8}, size_t{64}, kPage, 1024 * kMiB}) {
      ExpectError(ENOMEM, alignment, size);
    }
  }
  for (int bits : {48, 57, 62, 63}) ExpectError(ENOMEM, size_t{1} << bits, 1);
}

TEST(AlignedAllocTest, ServesEveryPower) {
  ExpectBlocksOfAllAlignments(1, [](size_t alignment, size_t size) {
    return aligned_alloc(alignment, size);
  });
}

// C17: "it shall fail". glibc 2.36 rounds up instead.
TEST(AlignedAllocTest, BadAlignmentIsInvalid) {
  for (size_t alignment : kNoPowers) {
    ExpectFailure(EINVAL, [=] { return aligned_alloc(Hidden(alignment), 10); });
  }
}

TEST(AlignedAllocTest, TooBigIsNoMemory) {
  for (size_t size : kTooBig) {
    ExpectFailure(ENOMEM, [=] { return aligned_alloc(64, size); });
    ExpectFailure(ENOMEM, [=] { return aligned_alloc(kMiB, size); });
  }
  ExpectFailure(ENOMEM, [] { return aligned_alloc(Hidden(1ul << 62), 1); });
}

TEST(MemalignTest, ServesEveryPower) {
  ExpectBlocksOfAllAlignments(1, [](size_t alignment, size_t size) {
    return memalign(alignment, size);
  });
}

TEST(MemalignTest, TakesTheNextPowerAsGlibcDoes) {
  for (size_t alignment : {0, 3, 24, 48, 5000}) {
    size_t power = 16;
    while (power < alignment) power *= 2;
    void* block = memalign(Hidden(alignment), 100);
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(IsAligned(block, power)) << alignment;
    free(block);
  }
}

TEST(MemalignTest, HugeAlignmentsFail) {
  ExpectFailure(ENOMEM, [] { return memalign(Hidden(size_t{1} << 63), 1); });
  ExpectFailure(ENOMEM,
                [] { return memalign(Hidden((size_t{1} << 62) + 1), 1); });
  ExpectFailure(EINVAL,
                [] { return memalign(Hidden((size_t{1} << 63) + 1), 1); });
  ExpectFailure(EINVAL, [] { return memalign(kMax, 1); });
}

TEST(VallocTest, GivesPages) {
  for (size_t size : kSizes) {
    void* block = valloc(size);
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(IsAligned(block, kPage));
    EXPECT_GE(malloc_usable_size(block), size);
    free(block);
  }
  for (size_t size : kTooBig) {
    ExpectFailure(ENOMEM, [=] { return valloc(size); });
  }
}

TEST(PvallocTest, RoundsUpToPages) {
  for (size_t size : kSizes) {
    void* block = pvalloc(size);
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(IsAligned(block, kPage));
    const size_t pages = (size + kPage - 1) / kPage;
    EXPECT_GE(malloc_usable_size(block), pages * kPage);
    free(block);
  }
}

TEST(PvallocTest, RoundingUpDoesNotOverflow) {
  for (size_t size : kTooBig) {
    ExpectFailure(ENOMEM, [=] { return pvalloc(size); });
  }
  ExpectFailure(ENOMEM, [] { return pvalloc(kMax - kPage + 2); });
}

TEST(UsableSizeTest, OfNullIsZero) {
  EXPECT_EQ(malloc_usable_size(nullptr), 0u);
}

TEST(UsableSizeTest, StaysWhatItIsAndMayBeUsed) {
  std::vector<char*> blocks;
  for (size_t size = 0; size < 3000; size += 7) {
    auto* block = static_cast<char*>(malloc(size));
    const size_t usable = malloc_usable_size(block);
    EXPECT_GE(usable, size);
    memset(block, static_cast<char>(size), usable);
    blocks.push_back(block);
  }
  size_t size = 0;
  for (char* block : blocks) {
    const size_t usable = malloc_usable_size(block);
    EXPECT_EQ(std::string(block, usable),
              std::string(usable, static_cast<char>(size)));
    free(block);
    size += 7;
  }
}

TEST(MalloptTest, AcceptsWhatGlibcAccepts) {
  EXPECT_EQ(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
  EXPECT_EQ(mallopt(M_TRIM_THRESHOLD, -1), 1);
  EXPECT_EQ(mallopt(M_TOP_PAD, 0), 1);
  EXPECT_EQ(mallopt(M_ARENA_MAX, 1), 1);
  EXPECT_EQ(mallopt(M_MXFAST, 64), 1);
  EXPECT_EQ(mallopt(12345, 1), 1);
  EXPECT_EQ(mallopt(M_MXFAST, 1 << 20), 0);
  EXPECT_EQ(mallopt(M_MXFAST, -1), 0);
}

TEST(MallinfoTest, BytesInUseGrowAndShrink) {
  for (size_t size : {size_t{10000}, kMiB, 50 * kMiB}) {
    const auto used = [] {
      const struct mallinfo2 info = mallinfo2();
      return info.uordblks + info.hblkhd;
    };
    const size_t before = used();
    void* block = malloc(size);
    EXPECT_GE(used(), before + size);
    free(block);
    if (kIsDebug) malloc_trim(0);  // it waits, and counts as in use
    EXPECT_LT(used(), before + size);
  }
}

TEST(MallinfoTest, FieldsAddUp) {
  const struct mallinfo2 before = mallinfo2();
  void* small = malloc(50000);
  void* huge = malloc(100 * kMiB);
  const struct mallinfo2 info = mallinfo2();
  EXPECT_EQ(info.arena, info.uordblks + info.fordblks);
  EXPECT_GE(info.uordblks, before.uordblks + 50000);
  EXPECT_LT(info.uordblks, before.uordblks + 100 * kMiB);
  EXPECT_EQ(info.hblks, before.hblks + 1);
  EXPECT_GE(info.hblkhd, before.hblkhd + 100 * kMiB);
  free(huge);
  free(small);
  EXPECT_EQ(mallinfo2().hblks, before.hblks);
}

TEST(MallinfoTest, NarrowFormSaysTheSame) {
  const struct mallinfo2 wide = mallinfo2();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  const struct mallinfo narrow = mallinfo();
#pragma GCC diagnostic pop
  EXPECT_EQ(narrow.arena, static_cast<int>(wide.arena));
  EXPECT_EQ(narrow.uordblks, static_cast<int>(wide.uordblks));
  EXPECT_EQ(narrow.hblkhd, static_cast<int>(wide.hblkhd));
}

TEST(MallocTrimTest, AnswersOneIfMemoryWentBack) {
  errno = kErrnoBefore;
  malloc_trim(0);
  std::vector<void*> blocks;
  for (int i = 0; i < 2000; ++i) {
    blocks.push_back(memset(malloc(10000), 1, 10000));
  }
  for (void* block : blocks) free(block);
  EXPECT_EQ(malloc_trim(0), 1);
  EXPECT_EQ(errno, kErrnoBefore);
}

TEST(MallocInfoTest, WritesXml) {
  char* text = nullptr;
  size_t size = 0;
  FILE* stream = open_memstream(&text, &size);
  EXPECT_EQ(malloc_info(0, stream), 0);
  fclose(stream);
  const std::string xml(text, size);
  free(text);
  EXPECT_EQ(xml.rfind("<malloc version=", 0), 0u) << xml;
  EXPECT_NE(xml.find("</malloc>\n"), std::string::npos) << xml;
  EXPECT_NE(malloc_info(1, stderr), 0);
  EXPECT_NE(malloc_info(-1, stderr), 0);
}

TEST(MallocStatsTest, WritesToStderr) {
  ::testing::internal::CaptureStderr();
  malloc_stats();
  fflush(stderr);
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("system bytes"), std::string::npos) << text;
  EXPECT_NE(text.find("in use bytes"), std::string::npos) << text;
}

}  // namespace
}  // namespace myonly::testing
