#include "allocator/large/quota.h"

namespace myonly::internal {

inline const Quota& Quota::Root() const {
  const Quota* root = this;
  while (const Quota* parent = root->parent()) root = parent;
  return *root;
}

// --- Levels of a tree; under its lock. ---

// What may be held by now: the reserve only once the limit was hit.
inline size_t Quota::UsableBytes() const {
  const size_t limit = limit_bytes();
  if (limit == 0) return SIZE_MAX;
  if (extras_ == nullptr || has_hit_limit_) return limit;
  const size_t reserve = extras_->reserve_bytes;
  return limit > reserve ? limit - reserve : 0;
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool Quota::Allows(size_t bytes) const {
  const size_t usable = UsableBytes();
  const size_t charged = charged_bytes();
  return charged <= usable && bytes <= usable - charged;
}

bool Quota::AllowsSpare(size_t bytes) const {
  for (const Quota* level = this; level != nullptr; level = level->parent()) {
    const size_t soft = level->soft_limit_bytes();
    if (!level->Allows(2 * bytes) ||
        (soft != 0 && level->charged_bytes() + bytes > soft)) {
      return false;
    }
  }
  return true;
}

// Of the levels from here up to `end`, which is not one of them.
inline bool Quota::Refuses(size_t bytes, const Quota* end) {
  Quota* refusing = this;
  while (refusing != end && refusing->Allows(bytes)) {
    refusing = refusing->parent();
  }
  if (ABSL_PREDICT_TRUE(refusing == end)) return false;
  for (Quota* level = this; level != nullptr; level = level->parent()) {
    Extras* extras = level->extras_;
    if (extras == nullptr) continue;
    if (level == refusing) {
      extras->refused = &has_pressure_news;
    } else if (extras->refused == &has_pressure_news) {
      extras->refused = nullptr;
    }
  }
  return true;
}

inline void Quota::Add(size_t bytes, const Quota* end) {
  Quota* levels[kMaxDepth];
  size_t depth = 0;
  for (Quota* level = this; level != end; level = level->parent()) {
    levels[depth++] = level;
  }
  while (depth != 0) {
    Quota* level = levels[--depth];
    const size_t charged = level->charged_bytes() + bytes;
    level->charged_.store(charged, std::memory_order_release);
    if (level->extras_ != nullptr) level->NoteCharge(charged);
  }
}

void Quota::Subtract(size_t bytes, const Quota* end) {
  for (Quota* level = this; level != end; level = level->parent()) {
    const size_t charged = level->charged_bytes() - bytes;
    level->charged_.store(charged, std::memory_order_release);
    if (level->has_hit_limit_ || level->is_above_) level->NoteReturn(charged);
  }
}

void Quota::NoteCharge(size_t charged) {
  const size_t soft = extras_->soft_limit_bytes;
  if (soft == 0 || is_above_ || charged <= soft) return;
  is_above_ = true;
  extras_->pressure.NoteAbove(true);
}

void Quota::NoteReturn(size_t charged) {
  if (has_hit_limit_) {
    has_hit_limit_ = false;
    // The reserve is still in use, in part at least. Where it is all there is,
    // it is not when nothing is held.
    if (charged >= UsableBytes() && charged != 0) has_hit_limit_ = true;
  }
  if (!is_above_) return;
  const size_t soft = extras_->soft_limit_bytes;
  if (soft != 0 && charged >= soft - soft / 8) return;
  is_above_ = false;
  extras_->pressure.NoteAbove(false);
}

// --- Charging. ---

// Not cold itself, as it is to whoever has no limits.
bool Quota::ChargeLevels(size_t bytes) {
  MutexLock lock(TreeMutex());
  if (ABSL_PREDICT_TRUE(extras_ == nullptr && parent() == nullptr)) {
    // As below, of one level that has nobody to tell.
    if (ABSL_PREDICT_FALSE(!Allows(bytes))) return false;
    charged_.store(charged_bytes() + bytes, std::memory_order_release);
  } else {
    if (ABSL_PREDICT_FALSE(Refuses(bytes, nullptr))) return false;
    Add(bytes, nullptr);
  }
  own_ += bytes;
  return true;
}

bool Quota::ChargeRuled(size_t bytes) { return ChargeLevels(bytes); }

bool Quota::HasSpare(size_t bytes) const {
  if (!is_ruled_) return true;
  if (counts_blocks_) return false;
  MutexLock lock(TreeMutex());
  return AllowsSpare(bytes);
}

bool Quota::ChargeSpare(size_t bytes) {
  if (!is_ruled_) return Charge(bytes);
  if (counts_blocks_) return false;
  MutexLock lock(TreeMutex());
  if (!AllowsSpare(bytes)) return false;
  Add(bytes, nullptr);
  own_ += bytes;
  return true;
}

void Quota::ReturnRuled(size_t bytes) {
  if (is_dropping_) return;
  MutexLock lock(TreeMutex());
  own_ -= bytes;
  Subtract(bytes, nullptr);
}

void Quota::NoteRefusal() {
  refusals_.fetch_add(1, std::memory_order_relaxed);
  MutexLock lock(TreeMutex());
  for (Quota* level = this; level != nullptr; level = level->parent()) {
    Extras* extras = level->extras_;
    if (extras == nullptr || extras->refused != &has_pressure_news) continue;
    extras->refused = nullptr;
    if (level->has_hit_limit_) continue;
    level->has_hit_limit_ = true;
    extras->pressure.NoteLimit();
  }
}

void Quota::EndDrop() {
  is_dropping_ = false;
  if (!is_ruled_) {
    charged_.store(0, std::memory_order_relaxed);
    return;
  }
  MutexLock lock(TreeMutex());
  const size_t bytes = own_;
  own_ = 0;
  Subtract(bytes, nullptr);
}

Status Quota::MoveTo(Quota& to, size_t bytes) {
  if (!is_ruled_ || !to.is_ruled_ || &Root() != &to.Root()) {
    return Status::kUnsupported;
  }
  MutexLock lock(TreeMutex());
  // The first level that both have in common holds as much as before.
  Quota* common = &to;
  for (;; common = common->parent()) {
    const Quota* level = this;
    while (level != nullptr && level != common) level = level->parent();
    if (level != nullptr) break;
  }
  if (to.Refuses(bytes, common)) return Status::kQuota;
  own_ -= bytes;
  Subtract(bytes, common);
  to.own_ += bytes;
  to.Add(bytes, common);
  return Status::kOk;
}

size_t Quota::own_bytes(size_t* charged) {
  if (!is_ruled_) return *charged = charged_bytes();
  MutexLock lock(TreeMutex());
  *charged = charged_bytes();
  return own_;
}

// --- Limits. ---

void Quota::set_limit_bytes(size_t bytes) {
  if (!is_ruled_) {
    // No other thread knows it yet.
    is_ruled_ = true;
    own_ = charged_bytes();
  }
  MutexLock lock(TreeMutex());
  limit_.store(bytes, std::memory_order_relaxed);
  if (has_hit_limit_) NoteReturn(charged_bytes());
}

void Quota::set_soft_limit_bytes(size_t bytes) {
  MutexLock lock(TreeMutex());
  if (extras_ == nullptr || !extras_->pressure.has_callback()) return;
  extras_->soft_limit_bytes = bytes;
  NoteCharge(charged_bytes());
  if (is_above_) NoteReturn(charged_bytes());
}

// --- Its life. ---

bool Quota::CanHaveChild() const {
  size_t depth = 1;
  for (const Quota* level = this; level != nullptr; level = level->parent()) {
    ++depth;
  }
  return depth <= kMaxDepth;
}

void Quota::Open(const QuotaOptions& options) {
  if (!is_ruled_) {
    is_ruled_ = true;
    own_ = charged_bytes();
  }
  limit_.store(options.limit_bytes, std::memory_order_relaxed);
  counts_blocks_ = options.counts_blocks;
  is_above_ = has_hit_limit_ = false;
  num_children_ = 0;
  refusals_.store(0, std::memory_order_relaxed);
  parent_.store(options.parent, std::memory_order_relaxed);
  if (options.parent != nullptr) ++options.parent->num_children_;
  if (extras_ == nullptr) return;
  extras_->soft_limit_bytes =
      options.on_pressure == nullptr ? 0 : options.soft_limit_bytes;
  extras_->reserve_bytes = options.reserve_bytes;
  extras_->refused = nullptr;
  extras_->pressure.Open(options.on_pressure, options.ctx, options.arena);
}

bool Quota::BeginClose() {
  return num_children_ == 0 &&
         (extras_ == nullptr || extras_->pressure.Close());
}

void Quota::EndClose() {
  if (Quota* up = parent()) --up->num_children_;
  parent_.store(nullptr, std::memory_order_relaxed);
}

}  // namespace myonly::internal
