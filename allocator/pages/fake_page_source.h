// A page source for tests: real pages, with a journal of every call, a limit on
// what can be held, and failure of the calls one names.
//
// Thread-safe only while one thread uses it.
#ifndef MYONLY_ALLOCATOR_PAGES_FAKE_PAGE_SOURCE_H_
#define MYONLY_ALLOCATOR_PAGES_FAKE_PAGE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "allocator/pages/mmap_page_source.h"
#include "allocator/pages/page_source.h"

namespace myonly::internal {

class FakePageSource final : public PageSource {
 public:
  enum class Verb {
    kReserve,
    kCommit,
    kDecommit,
    kPurge,
    kRelease,
    kRemap,
    kMove,
    kAdviseHugePages,
    kPopulate,
    kPopulateHuge,
  };
  struct Call {
    Verb verb;
    void* start;
    size_t bytes;
    bool ok;
  };

  // `reservation_bytes`: what ReservationLimit() tells.
  explicit FakePageSource(size_t reservation_bytes = size_t{64} << 20);
  // Releases what is still held.
  ~FakePageSource();

  void* Reserve(size_t bytes, size_t alignment, Access access) override;
  bool Commit(void* start, size_t bytes) override;
  bool Decommit(void* start, size_t bytes) override;
  bool Purge(void* start, size_t bytes) override;
  bool Release(void* start, size_t bytes) override;
  void* Remap(void* start, size_t old_bytes, size_t new_bytes) override;
  bool Move(void* start, size_t bytes, void* target) override;
  void AdviseHugePages(void* start, size_t bytes, bool wanted) override;
  void Populate(void* start, size_t bytes) override;
  // Says that it has huge pages, whatever the system has, unless they are slow.
  bool PopulateHuge(void* start, size_t bytes) override;
  void set_huge_pages_are_slow(bool slow) { huge_pages_are_slow_ = slow; }
  bool MayBeResident(const void* page) override {
    return pages_.MayBeResident(page);
  }
  size_t ReservationLimit() const override { return reservation_bytes_; }
  void set_reservation_limit(size_t bytes) { reservation_bytes_ = bytes; }

  // Call number `n` from now on (0 = the next one) fails, once.
  void FailCall(int64_t n) { fail_in_ = n; }
  // From call number `n` on every call fails.
  void FailFrom(int64_t n) { fail_from_ = n; }
  void StopFailing() { fail_in_ = fail_from_ = kNever; }
  // True if a call has failed on purpose since the last time this was asked.
  bool TakeFailed();

  const std::vector<Call>& journal() const { return journal_; }
  size_t Count(Verb verb) const;
  // Bytes reserved and not released.
  size_t reserved_bytes() const;

 private:
  static constexpr int64_t kNever = INT64_MAX;

  bool ShouldFail();
  bool Note(Verb verb, void* start, size_t bytes, bool ok);
  void Forget(uintptr_t start, size_t bytes);

  MmapPageSource pages_;
  size_t reservation_bytes_;
  int64_t fail_in_ = kNever;
  int64_t fail_from_ = kNever;
  bool failed_ = false;
  bool huge_pages_are_slow_ = false;
  std::vector<Call> journal_;
  std::map<uintptr_t, size_t> held_;  // start -> bytes
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_PAGES_FAKE_PAGE_SOURCE_H_
