#include "allocator/large/keep_budget.h"

#include "allocator/base/sizes.h"

namespace myonly::internal {
namespace {

constexpr uint64_t kDecayMs = 100;
constexpr size_t kDecayPart = 8;

}  // namespace

void KeepBudget::NoteFresh(size_t amount) {
  const size_t regretted = Min(amount, dropped_);
  dropped_ -= regretted;
  // Twice: two or three such rounds should be enough to learn.
  regretted_ += 2 * regretted;
}

size_t KeepBudget::Get(size_t live) const {
  return Min(peak_ - Min(peak_, live), Max(live / 2, regretted_));
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
