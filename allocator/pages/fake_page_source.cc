#include "allocator/pages/fake_page_source.h"

#include <algorithm>
#include <utility>

#include "allocator/base/check.h"

namespace myonly::internal {
namespace {

uintptr_t Bits(const void* address) {
  return reinterpret_cast<uintptr_t>(address);
}

}  // namespace

FakePageSource::FakePageSource(size_t reservation_bytes)
    : reservation_bytes_(reservation_bytes) {}

FakePageSource::~FakePageSource() {
  for (const auto& [start, bytes] : held_) {
    pages_.Release(reinterpret_cast<void*>(start), bytes);
  }
}

void* FakePageSource::Reserve(size_t bytes, size_t alignment, Access access) {
  void* start =
      ShouldFail() ? nullptr : pages_.Reserve(bytes, alignment, access);
  if (start != nullptr) held_[Bits(start)] = bytes;
  Note(Verb::kReserve, start, bytes, start != nullptr);
  return start;
}

bool FakePageSource::Commit(void* start, size_t bytes) {
  return Note(Verb::kCommit, start, bytes,
              !ShouldFail() && pages_.Commit(start, bytes));
}

bool FakePageSource::Decommit(void* start, size_t bytes) {
  return Note(Verb::kDecommit, start, bytes,
              !ShouldFail() && pages_.Decommit(start, bytes));
}

bool FakePageSource::Purge(void* start, size_t bytes) {
  return Note(Verb::kPurge, start, bytes,
              !ShouldFail() && pages_.Purge(start, bytes));
}

void FakePageSource::AdviseHugePages(void* start, size_t bytes, bool wanted) {
  const bool ok = !ShouldFail();
  if (ok) pages_.AdviseHugePages(start, bytes, wanted);
  Note(Verb::kAdviseHugePages, start, bytes, ok);
}

void FakePageSource::Populate(void* start, size_t bytes) {
  const bool ok = !ShouldFail();
  if (ok) pages_.Populate(start, bytes);
  Note(Verb::kPopulate, start, bytes, ok);
}

bool FakePageSource::PopulateHuge(void* start, size_t bytes) {
  const bool ok = !ShouldFail();
  if (ok) pages_.PopulateHuge(start, bytes);
  return Note(Verb::kPopulateHuge, start, bytes, ok && !huge_pages_are_slow_);
}

bool FakePageSource::Release(void* start, size_t bytes) {
  const bool ok = !ShouldFail() && pages_.Release(start, bytes);
  if (ok) Forget(Bits(start), bytes);
  return Note(Verb::kRelease, start, bytes, ok);
}

void* FakePageSource::Remap(void* start, size_t old_bytes, size_t new_bytes) {
  void* moved =
      ShouldFail() ? nullptr : pages_.Remap(start, old_bytes, new_bytes);
  if (moved != nullptr) {
    Forget(Bits(start), old_bytes);
    held_[Bits(moved)] = new_bytes;
  }
  Note(Verb::kRemap, moved, new_bytes, moved != nullptr);
  return moved;
}

bool FakePageSource::Move(void* start, size_t bytes, void* target) {
  const bool ok = !ShouldFail() && pages_.Move(start, bytes, target);
  if (ok) Forget(Bits(start), bytes);
  return Note(Verb::kMove, target, bytes, ok);
}

bool FakePageSource::TakeFailed() { return std::exchange(failed_, false); }

size_t FakePageSource::Count(Verb verb) const {
  return static_cast<size_t>(
      std::count_if(journal_.begin(), journal_.end(),
                    [verb](const Call& call) { return call.verb == verb; }));
}

size_t FakePageSource::reserved_bytes() const {
  size_t sum = 0;
  for (const auto& [start, bytes] : held_) sum += bytes;
  return sum;
}

bool FakePageSource::ShouldFail() {
  const bool fail = fail_in_ == 0 || fail_from_ <= 0;
  if (fail_in_ != kNever) fail_in_ = fail_in_ == 0 ? kNever : fail_in_ - 1;
  if (fail_from_ != kNever && fail_from_ > 0) --fail_from_;
  failed_ = failed_ || fail;
  return fail;
}

bool FakePageSource::Note(Verb verb, void* start, size_t bytes, bool ok) {
  journal_.push_back({verb, start, bytes, ok});
  return ok;
}

// A part of one held range goes; what is left of it on both sides stays.
void FakePageSource::Forget(uintptr_t start, size_t bytes) {
  auto it = held_.upper_bound(start);
  MYONLY_CHECK(it != held_.begin());
  --it;
  const uintptr_t held_start = it->first;
  const uintptr_t held_end = held_start + it->second;
  MYONLY_CHECK(start + bytes <= held_end);
  held_.erase(it);
  if (start > held_start) held_[held_start] = start - held_start;
  if (start + bytes < held_end) held_[start + bytes] = held_end - start - bytes;
}

}  // namespace myonly::internal
