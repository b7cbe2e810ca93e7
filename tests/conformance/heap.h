// What every allocator of the project looks like to the conformance suite.
#ifndef MYONLY_TESTS_CONFORMANCE_HEAP_H_
#define MYONLY_TESTS_CONFORMANCE_HEAP_H_

#include <errno.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::testing {

class Heap {
 public:
  virtual ~Heap() = default;

  // NULL on failure, as all that allocate.
  virtual void* Allocate(size_t size) = 0;
  virtual void* AllocateZeroed(size_t count, size_t size) = 0;
  virtual void* AllocateAligned(size_t alignment, size_t size) = 0;
  // Of a live block, to a size that is not 0.
  virtual void* Reallocate(void* block, size_t size) = 0;
  virtual void Free(void* block) = 0;
  virtual size_t UsableSize(const void* block) = 0;
  // True unless an invariant is broken; true where there is nothing to ask.
  virtual bool Check() { return true; }
  // True if a failed call sets errno.
  virtual bool SetsErrno() const { return true; }
};

// Makes the heap a test runs on; each test has one of its own.
struct HeapKind {
  std::string name;
  std::function<std::unique_ptr<Heap>()> make;
};

inline void PrintTo(const HeapKind& kind, std::ostream* out) {
  *out << kind.name;
}

// The suite: conformance_suite.cc has the tests, and each test program names
// the kinds it is run on with MYONLY_INSTANTIATE_CONFORMANCE.
class HeapConformanceTest : public ::testing::TestWithParam<HeapKind> {
 protected:
  void SetUp() override {
    heap_ = GetParam().make();
    ASSERT_NE(heap_, nullptr);
  }
  void TearDown() override { EXPECT_TRUE(heap_->Check()); }

  Heap& heap() { return *heap_; }
  // After a call that failed with errno cleared before.
  bool SaidNoMemory() const { return !heap_->SetsErrno() || errno == ENOMEM; }

 private:
  std::unique_ptr<Heap> heap_;
};

#define MYONLY_INSTANTIATE_CONFORMANCE(...)                    \
  INSTANTIATE_TEST_SUITE_P(                                    \
      On, HeapConformanceTest,                                 \
      ::testing::ValuesIn(std::vector<HeapKind>{__VA_ARGS__}), \
      [](const ::testing::TestParamInfo<HeapKind>& info) {     \
        return info.param.name;                                \
      })

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_CONFORMANCE_HEAP_H_
