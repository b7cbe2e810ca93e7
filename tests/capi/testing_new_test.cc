// Requests that fail on purpose, where operator new is this library's: each is
// asked for once, and fails or not.
#include <cstddef>
#include <new>

#include "gtest/gtest.h"
#include "myonly/myonly.h"
#include "myonly/testing.h"

namespace {

template <typename T>
T* Hidden(T* pointer) {
  asm volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

bool NewWorks(size_t size) {
  try {
    ::operator delete(Hidden(::operator new(size)));
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

TEST(TestingNewTest, TheNthOneFailsAndNoOther) {
  for (size_t size : {size_t{24}, size_t{3000}, size_t{200000}}) {
    for (int nth = 1; nth <= 4; ++nth) {
      for (int warm = 0; warm < 20; ++warm) ASSERT_TRUE(NewWorks(size));
      myonly_fault_options options = MYONLY_FAULT_OPTIONS_INIT;
      options.fail_nth = static_cast<uint64_t>(nth);
      bool works[6];
      ASSERT_EQ(myonly_fault_begin(nullptr, &options), MYONLY_OK);
      for (bool& each : works) each = NewWorks(size);
      uint64_t failures = 0;
      ASSERT_EQ(myonly_fault_end(nullptr, &failures), MYONLY_OK);
      // What is thrown asks for memory as well, but from nobody here that is
      // counted: libstdc++ has a reserve, or malloc answers.
      EXPECT_EQ(failures, 1U) << size << " " << nth;
      int failed = 0;
      for (bool each : works) failed += each ? 0 : 1;
      EXPECT_EQ(failed, 1) << size << " " << nth;
      EXPECT_FALSE(works[nth - 1]) << size << " " << nth;
    }
  }
}

}  // namespace
