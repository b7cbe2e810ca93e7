// A program that replaces the two basic operators, as many do, and none of the
// rest. The standard says that the other forms come down to these two.
#include <stdint.h>
#include <stdlib.h>

#include <new>

#include "gtest/gtest.h"
#include "tests/capi/process_malloc.h"

// Clang 14 knows the sized forms, but does not declare them.
void operator delete(void* ptr, size_t size) noexcept;
void operator delete[](void* ptr, size_t size) noexcept;

namespace {

size_t made = 0;
size_t gone = 0;

// Freeing a block at the wrong address ends the program, so none can slip by.
constexpr size_t kPrefix = 32;

}  // namespace

void* operator new(size_t size) {
  auto* block = static_cast<char*>(malloc(size + kPrefix));
  if (block == nullptr) throw std::bad_alloc();
  ++made;
  return block + kPrefix;
}

// As old programs do: the sized form is not among them.
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wsized-deallocation"
#endif
void operator delete(void* ptr) noexcept {
  if (ptr == nullptr) return;
  ++gone;
  free(static_cast<char*>(ptr) - kPrefix);
}

namespace myonly::testing {
namespace {

// Keeps the compiler from dropping pairs of new and delete.
void* Hidden(void* ptr) {
  asm volatile("" : "+r"(ptr) : : "memory");
  return ptr;
}

TEST(ReplacedNewTest, MallocIsOurs) { EXPECT_TRUE(MallocIsOurs()); }

template <typename Pair>
void ExpectOneOfEach(Pair pair) {
  const size_t made_before = made;
  const size_t gone_before = gone;
  pair();
  EXPECT_EQ(made, made_before + 1);
  EXPECT_EQ(gone, gone_before + 1);
}

TEST(ReplacedNewTest, AllFormsComeDownToIt) {
  ExpectOneOfEach([] { ::operator delete(Hidden(::operator new(8))); });
  ExpectOneOfEach([] { ::operator delete(Hidden(::operator new(8)), 8); });
  ExpectOneOfEach([] { ::operator delete[](Hidden(::operator new[](8))); });
  ExpectOneOfEach([] { ::operator delete[](Hidden(::operator new[](8)), 8); });
  ExpectOneOfEach([] {
    ::operator delete(Hidden(::operator new(8, std::nothrow)), std::nothrow);
  });
  ExpectOneOfEach([] {
    ::operator delete[](Hidden(::operator new[](8, std::nothrow)),
                        std::nothrow);
  });
  ExpectOneOfEach(
      [] { ::operator delete(Hidden(::operator new(8, std::nothrow))); });
}

TEST(ReplacedNewTest, NothrowGivesNullWhenItThrows) {
  size_t size = PTRDIFF_MAX;
  asm volatile("" : "+r"(size));
  EXPECT_EQ(::operator new(size, std::nothrow), nullptr);
  EXPECT_EQ(::operator new[](size, std::nothrow), nullptr);
}

}  // namespace
}  // namespace myonly::testing
