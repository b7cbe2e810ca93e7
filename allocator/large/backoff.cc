#include "allocator/large/backoff.h"

#include "allocator/base/sizes.h"

namespace myonly::internal {

bool Backoff::ShallTry(size_t bytes) {
  if (left_ == 0) return true;
  left_ -= Min(left_, bytes);
  return false;
}

void Backoff::Note(bool has_paid) {
  if (!has_paid) {
    left_ = last_ = last_ == 0 ? kFirstBytes : Min(2 * last_, kMostBytes);
    in_a_row_ = 0;
  } else if (++in_a_row_ == kOften) {
    last_ = 0;
  }
}

}  // namespace myonly::internal
