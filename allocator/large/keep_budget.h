// How much of what is freed a pool should keep resident, learnt from what the
// program does: below its recent peak memory that is kept raises no peak, and
// what was given back and then wanted again soon should have been kept, also
// somewhat above the peak: sizes that change leave gaps.
//
// All figures are in the pool's own unit. Both the peak and what was learnt are
// forgotten with time.
//
// Externally synchronised.
#ifndef MYONLY_ALLOCATOR_LARGE_KEEP_BUDGET_H_
#define MYONLY_ALLOCATOR_LARGE_KEEP_BUDGET_H_

#include <cstddef>
#include <cstdint>

namespace myonly::internal {

class KeepBudget {
 public:
  // The peak forgets one part in 2 ^ `peak_shift` of what is above the present
  // with each NoteLive.
  constexpr explicit KeepBudget(int peak_shift) : peak_shift_(peak_shift) {}

  void NoteLive(size_t live) {
    if (live >= peak_) {
      peak_ = live;
    } else {
      peak_ -= (peak_ - live) >> peak_shift_;
    }
  }

  // So much was given back because it was over the budget.
  void NoteDropped(size_t amount) { dropped_ += amount; }

  // So much was taken from the system.
  void NoteFresh(size_t amount);

  // What may be kept while `live` is live. Live and kept together stay below
  // the recent peak, and half as much again as far as more than the peak is
  // regretted. Without regrets it is at most half of what is live: most
  // programs that have freed much don't want it again.
  size_t Get(size_t live) const;

  // Forgets an eighth, if there has been time enough since the last time.
  void Decay(size_t live, uint64_t now_ms);

 private:
  const int peak_shift_;
  size_t peak_ = 0;       // recent
  size_t dropped_ = 0;    // a while ago, and not wanted again since
  size_t regretted_ = 0;  // dropped, and wanted again
  uint64_t decay_ms_ = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_KEEP_BUDGET_H_
