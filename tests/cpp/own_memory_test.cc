// Arenas over memory that the program gives.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "capi/cpp/allocator.h"
#include "capi/cpp/arena.h"
#include "myonly/myonly.h"

namespace myonly {
namespace {

constexpr size_t kBufferBytes = 256 << 10;

TEST(CppOwnMemoryTest, AnArenaStaysInsideItsBuffer) {
  std::vector<char> buffer(kBufferBytes);
  {
    arena_options options;
    options.name = "buffer";
    arena arena = arena::over(buffer.data(), buffer.size(), options);
    ASSERT_TRUE(arena) << myonly_status_str(arena.status());
    EXPECT_STREQ(arena.stats().name, "buffer");
    int blocks = 0;
    while (auto* ptr = static_cast<char*>(arena.allocate(1000))) {
      EXPECT_GE(ptr, buffer.data());
      EXPECT_LE(ptr + 1000, buffer.data() + buffer.size());
      ++blocks;
    }
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_NOMEM);
    EXPECT_GT(blocks, 100);
    EXPECT_EQ(arena.reset(), MYONLY_OK);
    std::vector<int, arena_allocator<int>> numbers(1000, 1,
                                                   arena_allocator<int>(arena));
    EXPECT_TRUE(arena.owns(numbers.data()));
  }
  buffer.assign(kBufferBytes, 'x');  // the program's own again
}

TEST(CppOwnMemoryTest, ABufferThatIsTooSmallIsRefused) {
  char small[1000];
  const arena arena = arena::over(small, sizeof(small));
  EXPECT_FALSE(arena);
  EXPECT_EQ(arena.status(), MYONLY_ERR_INVALID);
}

// Pages by mmap, counted.
struct Pages {
  void* reserve(size_t bytes, size_t alignment) noexcept {
    if (refuse) return nullptr;
    char* start = static_cast<char*>(mmap(nullptr, bytes + alignment,
                                          PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (start == MAP_FAILED) return nullptr;
    const size_t over = reinterpret_cast<uintptr_t>(start) % alignment;
    const size_t before = over == 0 ? 0 : alignment - over;
    if (before > 0) munmap(start, before);
    munmap(start + before + bytes, alignment - before);
    reserved += bytes;
    return start + before;
  }
  bool purge(void*, size_t) noexcept { return false; }
  bool release(void* start, size_t bytes) noexcept {
    reserved -= bytes;
    return munmap(start, bytes) == 0;
  }

  size_t reserved = 0;
  bool refuse = false;
};

TEST(CppOwnMemoryTest, PagesComeFromTheProgramsObjectAndGoBack) {
  Pages pages;
  {
    arena_options options;
    const myonly_page_source source = page_source_of(pages);
    options.pages = &source;
    arena arena(options);
    ASSERT_TRUE(arena) << myonly_status_str(arena.status());
    ASSERT_NE(arena.allocate(1 << 20), nullptr);
    EXPECT_GE(pages.reserved, size_t{1} << 20);
    pages.refuse = true;
    EXPECT_EQ(arena.allocate(64 << 20), nullptr);
    EXPECT_EQ(myonly_last_status(), MYONLY_ERR_NOMEM);
  }
  EXPECT_EQ(pages.reserved, 0U);
}

}  // namespace
}  // namespace myonly
