// The edges of operator new and delete.
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <new>
#include <stdexcept>

#include "gtest/gtest.h"
#include "tests/capi/process_malloc.h"
#include "tests/support/preset.h"

// Clang 14 knows the sized forms, but does not declare them.
void operator delete(void* ptr, size_t size) noexcept;
void operator delete[](void* ptr, size_t size) noexcept;
void operator delete(void* ptr, size_t size, std::align_val_t) noexcept;
void operator delete[](void* ptr, size_t size, std::align_val_t) noexcept;

namespace myonly::testing {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Not known to the compiler, which warns of sizes that can't be and drops
// pairs of new and delete.
template <typename T>
T Hidden(T value) {
  asm volatile("" : "+r"(value) : : "memory");
  return value;
}

const size_t kTooBig = Hidden(size_t{PTRDIFF_MAX});

bool IsAligned(const void* ptr, size_t alignment) {
  return reinterpret_cast<uintptr_t>(ptr) % alignment == 0;
}

int handler_calls = 0;

// Gives up at the third call.
void CountToThree() {
  if (++handler_calls == 3) std::set_new_handler(nullptr);
}

class NewTest : public ::testing::Test {
 protected:
  void SetUp() override {
    handler_calls = 0;
    std::set_new_handler(nullptr);
  }
  void TearDown() override { std::set_new_handler(nullptr); }
};

TEST_F(NewTest, IsOurs) { EXPECT_TRUE(MallocIsOurs()); }

TEST_F(NewTest, ZeroGivesObjectsOfTheirOwn) {
  void* first = ::operator new(Hidden(size_t{0}));
  void* second = ::operator new(Hidden(size_t{0}));
  EXPECT_NE(first, nullptr);
  EXPECT_NE(first, second);
  ::operator delete(first);
  ::operator delete(second);
}

TEST_F(NewTest, EveryDeleteTakesWhatItsNewGave) {
  for (size_t size = 1; size < 20 * kMiB; size = size * 3 + 1) {
    ::operator delete(Hidden(::operator new(size)));
    ::operator delete(Hidden(::operator new(size)), size);
    ::operator delete(Hidden(::operator new(size, std::nothrow)), std::nothrow);
    ::operator delete[](Hidden(::operator new[](size)));
    ::operator delete[](Hidden(::operator new[](size)), size);
    ::operator delete[](Hidden(::operator new[](size, std::nothrow)),
                        std::nothrow);
  }
}

TEST_F(NewTest, EveryAlignedDeleteTakesWhatItsNewGave) {
  for (size_t power = 1; power <= 64 * kMiB; power *= 2) {
    const auto alignment = static_cast<std::align_val_t>(power);
    for (size_t size : {size_t{1}, size_t{100}, size_t{70000}}) {
      void* block = ::operator new(size, alignment);
      EXPECT_TRUE(IsAligned(block, power));
      ::operator delete(block, alignment);
      block = ::operator new[](size, alignment);
      EXPECT_TRUE(IsAligned(block, power));
      ::operator delete[](block, size, alignment);
      block = ::operator new(size, alignment, std::nothrow);
      EXPECT_TRUE(IsAligned(block, power));
      ::operator delete(block, size, alignment);
      block = ::operator new[](size, alignment, std::nothrow);
      EXPECT_TRUE(IsAligned(block, power));
      ::operator delete[](block, alignment, std::nothrow);
      block = ::operator new(size, alignment, std::nothrow);
      EXPECT_TRUE(IsAligned(block, power));
      ::operator delete(block, alignment, std::nothrow);
    }
  }
}

// Each form in turn, often: what it left would be far more than is kept.
TEST_F(NewTest, EveryDeleteFrees) {
  constexpr auto kAligned = std::align_val_t{64};
  constexpr int kForms = 12;
  constexpr size_t kRounds = 2000;
  const auto free_by = [](int form, void* block, size_t size) {
    if (form == 0) ::operator delete(block);
    if (form == 1) ::operator delete(block, size);
    if (form == 2) ::operator delete(block, std::nothrow);
    if (form == 3) ::operator delete[](block);
    if (form == 4) ::operator delete[](block, size);
    if (form == 5) ::operator delete[](block, std::nothrow);
    if (form == 6) ::operator delete(block, kAligned);
    if (form == 7) ::operator delete(block, size, kAligned);
    if (form == 8) ::operator delete(block, kAligned, std::nothrow);
    if (form == 9) ::operator delete[](block, kAligned);
    if (form == 10) ::operator delete[](block, size, kAligned);
    if (form == 11) ::operator delete[](block, kAligned, std::nothrow);
  };
  for (int form = 0; form < kForms; ++form) {
    for (size_t size : {size_t{20000}, size_t{70000}}) {
      const size_t before = mallinfo2().uordblks;
      for (size_t i = 0; i < kRounds; ++i) {
        free_by(form,
                Hidden(form < 6 ? ::operator new(size)
                                : ::operator new(size, kAligned)),
                size);
      }
      EXPECT_LT(mallinfo2().uordblks, before + kRounds * size / 2)
          << form << " " << size;
    }
  }
}

TEST_F(NewTest, DeletesOfNullDoNothing) {
  constexpr auto kAlignment = std::align_val_t{64};
  ::operator delete(nullptr);
  ::operator delete[](nullptr);
  ::operator delete (nullptr, size_t{8});
  ::operator delete[](nullptr, size_t{8});
  ::operator delete(nullptr, kAlignment);
  ::operator delete[](nullptr, kAlignment);
  ::operator delete (nullptr, size_t{8}, kAlignment);
  ::operator delete[](nullptr, size_t{8}, kAlignment);
  ::operator delete(nullptr, std::nothrow);
  ::operator delete[](nullptr, std::nothrow);
}

// Ours is spelled out: its table of functions must be the real one.
TEST_F(NewTest, WhatIsThrownTellsItsName) {
  const char* thrown = "nothing";
  try {
    Hidden(::operator new(kTooBig));
  } catch (const std::exception& exception) {
    thrown = exception.what();
  }
  EXPECT_STREQ(thrown, std::bad_alloc().what());
}

TEST_F(NewTest, TooBigThrowsBadAlloc) {
  constexpr auto kAlignment = std::align_val_t{64};
  EXPECT_THROW(Hidden(::operator new(kTooBig)), std::bad_alloc);
  EXPECT_THROW(Hidden(::operator new[](kTooBig)), std::bad_alloc);
  EXPECT_THROW(Hidden(::operator new(kTooBig, kAlignment)), std::bad_alloc);
  EXPECT_THROW(Hidden(::operator new[](kTooBig, kAlignment)), std::bad_alloc);
  EXPECT_THROW(Hidden(::operator new(Hidden(SIZE_MAX))), std::bad_alloc);
}

TEST_F(NewTest, TooBigNothrowGivesNull) {
  constexpr auto kAlignment = std::align_val_t{64};
  EXPECT_EQ(::operator new(kTooBig, std::nothrow), nullptr);
  EXPECT_EQ(::operator new[](kTooBig, std::nothrow), nullptr);
  EXPECT_EQ(::operator new(kTooBig, kAlignment, std::nothrow), nullptr);
  EXPECT_EQ(::operator new[](kTooBig, kAlignment, std::nothrow), nullptr);
}

TEST_F(NewTest, FailureSetsErrnoAsMallocDoes) {
  errno = 0;
  EXPECT_EQ(::operator new(kTooBig, std::nothrow), nullptr);
  EXPECT_EQ(errno, ENOMEM);
}

TEST_F(NewTest, CallsTheHandlerUntilThereIsNone) {
  std::set_new_handler(CountToThree);
  EXPECT_THROW(Hidden(::operator new(kTooBig)), std::bad_alloc);
  EXPECT_EQ(handler_calls, 3);
  handler_calls = 0;
  std::set_new_handler(CountToThree);
  EXPECT_THROW(Hidden(::operator new[](kTooBig, std::align_val_t{4096})),
               std::bad_alloc);
  EXPECT_EQ(handler_calls, 3);
}

TEST_F(NewTest, NothrowCallsTheHandlerToo) {
  std::set_new_handler(CountToThree);
  EXPECT_EQ(::operator new(kTooBig, std::nothrow), nullptr);
  EXPECT_EQ(handler_calls, 3);
  handler_calls = 0;
  std::set_new_handler(CountToThree);
  EXPECT_EQ(::operator new[](kTooBig, std::align_val_t{64}, std::nothrow),
            nullptr);
  EXPECT_EQ(handler_calls, 3);
}

TEST_F(NewTest, WhatTheHandlerThrowsPassesThrough) {
  std::set_new_handler([] { throw std::runtime_error("handler"); });
  EXPECT_THROW(Hidden(::operator new(kTooBig)), std::runtime_error);
  EXPECT_THROW(Hidden(::operator new[](kTooBig, std::align_val_t{64})),
               std::runtime_error);
}

// The nothrow forms are noexcept: it must not end the program.
TEST_F(NewTest, NothrowGivesNullIfTheHandlerThrows) {
  std::set_new_handler([] { throw std::bad_alloc(); });
  EXPECT_EQ(::operator new(kTooBig, std::nothrow), nullptr);
  EXPECT_EQ(::operator new[](kTooBig, std::nothrow), nullptr);
  std::set_new_handler([] { throw std::runtime_error("handler"); });
  EXPECT_EQ(::operator new (kTooBig, std::align_val_t{64}, std::nothrow),
            nullptr);
  EXPECT_EQ(::operator new[](kTooBig, std::align_val_t{64}, std::nothrow),
            nullptr);
}

// No handler can mend it, so asking one would never end.
TEST_F(NewTest, NoPowerOfTwoIsBadAllocAtOnce) {
  std::set_new_handler([] { ++handler_calls; });
  EXPECT_THROW(Hidden(::operator new(8, Hidden(std::align_val_t{24}))),
               std::bad_alloc);
  EXPECT_EQ(::operator new(8, Hidden(std::align_val_t{0}), std::nothrow),
            nullptr);
  EXPECT_EQ(handler_calls, 0);
}

TEST_F(NewTest, WrongSizesAreReportedByAllForms) {
  if (!internal::kChecksObjects) GTEST_SKIP() << "fast does not check sizes";
  constexpr std::align_val_t kAlignment{64};
  for (size_t size : {size_t{300}, size_t{3000}, size_t{300000}}) {
    const size_t wrong = size * 4;
    void* plain = Hidden(::operator new(size));
    EXPECT_DEATH(::operator delete(plain, wrong), "free with a wrong size");
    EXPECT_DEATH(::operator delete[](plain, wrong), "free with a wrong size");
    ::operator delete(plain, size);
    void* aligned = Hidden(::operator new(size, kAlignment));
    EXPECT_DEATH(::operator delete(aligned, wrong, kAlignment),
                 "free with a wrong size");
    EXPECT_DEATH(::operator delete[](aligned, wrong, kAlignment),
                 "free with a wrong size");
    EXPECT_DEATH(::operator delete[](aligned, size, std::align_val_t{96}),
                 "free with a wrong alignment");
    ::operator delete[](aligned, size, kAlignment);
  }
}

TEST_F(NewTest, NewExpressionsUseIt) {
  struct alignas(128) Wide {
    char bytes[300];
  };
  auto* wide = Hidden(new Wide[3]);
  EXPECT_TRUE(IsAligned(wide, 128));
  EXPECT_GE(malloc_usable_size(wide), sizeof(Wide) * 3);
  delete[] wide;
  auto* number = Hidden(new int(7));
  EXPECT_EQ(*number, 7);
  delete number;
  EXPECT_THROW(Hidden(new char[kTooBig]), std::bad_alloc);
}

}  // namespace
}  // namespace myonly::testing
