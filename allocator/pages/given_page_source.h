// Pages that a program gives: none but what was adopted already, for an arena
// over a buffer; or those that a table of its functions hands out.
//
// Such pages are usable as soon as they are reserved. Thread-safe as far as the
// program's functions are.
#ifndef MYONLY_ALLOCATOR_PAGES_GIVEN_PAGE_SOURCE_H_
#define MYONLY_ALLOCATOR_PAGES_GIVEN_PAGE_SOURCE_H_

#include <cstddef>

#include "allocator/pages/page_source.h"

namespace myonly::internal {

// The functions of myonly_page_source, where they are explained.
struct PageFunctions {
  void* ctx = nullptr;
  void* (*reserve)(void* ctx, size_t bytes, size_t alignment) = nullptr;
  int (*purge)(void* ctx, void* start, size_t bytes) = nullptr;
  int (*release)(void* ctx, void* start, size_t bytes) = nullptr;
};

class GivenPageSource final : public PageSource {
 public:
  // Told of what is reserved, while that is being done; false: it can't be
  // noted, and is released again.
  using Note = bool (*)(void* noted_by, void* start, size_t bytes);

  constexpr GivenPageSource() = default;
  GivenPageSource(const PageFunctions& functions, Note note, void* noted_by)
      : functions_(functions), note_(note), noted_by_(noted_by) {}

  void* Reserve(size_t bytes, size_t alignment, Access access) override;
  bool Commit(void* start, size_t bytes) override;
  bool Decommit(void* start, size_t bytes) override;
  bool Purge(void* start, size_t bytes) override;
  bool Release(void* start, size_t bytes) override;
  void* Remap(void* start, size_t old_bytes, size_t new_bytes) override;
  bool Move(void* start, size_t bytes, void* target) override;
  // Twice as much each time, so that not many reservations make a large heap.
  size_t ReservationLimit() const override { return next_bytes_; }

 private:
  static constexpr size_t kFirstBytes = size_t{2} << 20;

  PageFunctions functions_;
  Note note_ = nullptr;
  void* noted_by_ = nullptr;
  size_t next_bytes_ = kFirstBytes;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_PAGES_GIVEN_PAGE_SOURCE_H_
