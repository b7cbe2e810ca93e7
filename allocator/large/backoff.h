// When to try again what did not pay: after each failure twice as many bytes go
// by before the next try, until it has paid so often in a row that it is as
// good as new.
//
// Externally synchronised.
#ifndef MYONLY_ALLOCATOR_LARGE_BACKOFF_H_
#define MYONLY_ALLOCATOR_LARGE_BACKOFF_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"

namespace myonly::internal {

class Backoff {
 public:
  static constexpr size_t kFirstBytes = size_t{8} << 20;
  static constexpr size_t kMostBytes = size_t{256} << 20;
  static constexpr uint32_t kOften = 8;

  // An occasion of so many bytes: whether it shall be taken. They go by if not.
  ABSL_ATTRIBUTE_COLD bool ShallTry(size_t bytes);

  // The last try has paid, or none has failed that still counts.
  bool has_paid_last() const { return last_ == 0 || in_a_row_ != 0; }

  // What came of it.
  ABSL_ATTRIBUTE_COLD void Note(bool has_paid);

 private:
  size_t left_ = 0;  // before the next try
  size_t last_ = 0;  // that went by after the last failure; 0: none counts
  uint32_t in_a_row_ = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_BACKOFF_H_
