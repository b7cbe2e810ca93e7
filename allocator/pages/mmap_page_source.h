// Pages from mmap, by raw system calls. Thread-safe: it has no state.
#ifndef MYONLY_ALLOCATOR_PAGES_MMAP_PAGE_SOURCE_H_
#define MYONLY_ALLOCATOR_PAGES_MMAP_PAGE_SOURCE_H_

#include <cstddef>
#include <cstdint>

#include "allocator/pages/page_source.h"

namespace myonly::internal {

class MmapPageSource final : public PageSource {
 public:
  constexpr MmapPageSource() = default;

  void* Reserve(size_t bytes, size_t alignment, Access access) override;
  bool Commit(void* start, size_t bytes) override;
  bool Decommit(void* start, size_t bytes) override;
  bool Purge(void* start, size_t bytes) override;
  bool Release(void* start, size_t bytes) override;
  void* Remap(void* start, size_t old_bytes, size_t new_bytes) override;
  bool Move(void* start, size_t bytes, void* target) override;

  void Populate(void* start, size_t bytes) override;
  bool PopulateHuge(void* start, size_t bytes) override;
  bool MayBeResident(const void* page) override;
  bool Guard(void* start, size_t bytes) override;
  bool Unguard(void* start, size_t bytes) override;
  void AdviseHugePages(void* start, size_t bytes, bool wanted) override;
  // 1/16 of RLIMIT_AS, or kMaxReservation.
  size_t ReservationLimit() const override;

  // Of one of RLIMIT_...: the largest number, RLIM_INFINITY, if there is none.
  __attribute__((noinline)) static uint64_t LimitOf(int resource);

  // 256 GiB of addresses cost nothing but a few microseconds.
  static constexpr size_t kMaxReservation = size_t{1} << 38;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_PAGES_MMAP_PAGE_SOURCE_H_
