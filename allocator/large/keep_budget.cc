#include "allocator/large/keep_budget.h"

#include "allocator/base/sizes.h"

namespace myonly::internal {
namespace {

constexpr uint64_t kDecayMs = 100;
constexpr size_t kDecayPart = 8;
// Of the peak, so much more where what was kept below it has not been enough:
// what is free in pieces fits what is wanted only if there is more of it.
constexpr size_t kGapPart = 2;

}  // namespace

void KeepBudget::NoteFresh(size_t amount) {
  const size_t regretted = Min(amount, dropped_);
  dropped_ -= regretted;
  // Twice: two or three such rounds should be enough to learn.
  regretted_ += 2 * regretted;
}

// As much as the peak must be regretted first: who grows regrets as well what
// was no use to it, as it lay in pieces.
size_t KeepBudget::Get(size_t live) const {
  const size_t sure = regretted_ - Min(regretted_, peak_);
  const size_t most = peak_ + Min(peak_ / kGapPart, sure);
  return Min(most - Min(most, live), Max(live / 2, regretted_));
}

void KeepBudget::Decay(size_t live, uint64_t now_ms) {
  // Another thread may have read the clock later and come here first.
  if (now_ms - Min(now_ms, decay_ms_) < kDecayMs) return;
  decay_ms_ = now_ms;
  peak_ -= (peak_ - Min(peak_, live)) / kDecayPart;
  regretted_ -= regretted_ / kDecayPart;
  dropped_ -= dropped_ / kDecayPart;
}

}  // namespace myonly::internal
