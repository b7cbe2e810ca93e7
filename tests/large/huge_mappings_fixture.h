// A HugeMappings over a page source that can be watched and can fail.
#ifndef MYONLY_TESTS_LARGE_HUGE_MAPPINGS_FIXTURE_H_
#define MYONLY_TESTS_LARGE_HUGE_MAPPINGS_FIXTURE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "allocator/base/sizes.h"
#include "allocator/large/huge_mapping.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/metadata_allocator.h"
#include "gtest/gtest.h"

namespace myonly::internal {

inline constexpr size_t kMiB = size_t{1} << 20;

class HugeMappingsTest : public ::testing::Test {
 protected:
  using Verb = FakePageSource::Verb;

  HugeMappingsTest() : metadata_(pages_), huge_(pages_, metadata_) {}
  ~HugeMappingsTest() override { huge_.CheckInvariants(); }

  HugeMapping* Allocate(size_t bytes, size_t alignment = kPageSize,
                        bool zeroed = false) {
    return huge_.Allocate(bytes, alignment, zeroed, this, &fresh_bytes_);
  }

  // Leaves two pieces in the cache.
  void FreeTwo(size_t bytes, size_t more_bytes) {
    HugeMapping* first = Allocate(bytes);
    HugeMapping* second = Allocate(more_bytes);
    memset(first->start, 1, bytes);
    memset(second->start, 2, more_bytes);
    huge_.Free(first);
    huge_.Free(second);
  }

  // What the page source refused to release so far: it has
  // lost its memory, but not its addresses.
  size_t NotReleased() {
    for (; seen_ != pages_.journal().size(); ++seen_) {
      const FakePageSource::Call& call = pages_.journal()[seen_];
      if (call.verb == Verb::kRelease && !call.ok) lost_ += call.bytes;
    }
    return lost_;
  }

  FakePageSource pages_;
  MetadataAllocator metadata_;
  HugeMappings huge_;
  size_t seen_ = 0;
  size_t lost_ = 0;
  size_t fresh_bytes_ = 0;  // of the last Allocate
  std::vector<HugeMapping*> mappings_;
};

}  // namespace myonly::internal

#endif  // MYONLY_TESTS_LARGE_HUGE_MAPPINGS_FIXTURE_H_
