// A slab pool of its own, over a page source that keeps a journal.
#ifndef MYONLY_TESTS_SLABS_SLAB_POOL_FIXTURE_H_
#define MYONLY_TESTS_SLABS_SLAB_POOL_FIXTURE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "allocator/base/status.h"
#include "allocator/large/quota.h"
#include "allocator/large/run_pool.h"
#include "allocator/large/slice_cache.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/slab.h"
#include "allocator/slabs/slab_pool.h"
#include "gtest/gtest.h"

namespace myonly::internal {

class SlabPoolTest : public ::testing::Test {
 protected:
  static constexpr uintptr_t kToken = 0x1000;

  size_t SweepAll(size_t keep_bytes = 0) { return pool_.SweepAll(&keep_bytes); }

  // Takes all that one refill gives.
  std::vector<Object*> TakeOnce(size_t size_class) {
    std::vector<Object*> taken;
    for (Object* object = pool_.Refill(size_class, &status_);
         object != nullptr && !Slab::IsEnd(object);) {
      Object* next = object->next;
      Slab::ClearMark(object);
      taken.push_back(object);
      object = next;
    }
    return taken;
  }
  std::vector<Object*> Take(size_t size_class, size_t least) {
    std::vector<Object*> taken;
    while (taken.size() < least) {
      for (Object* object : TakeOnce(size_class)) taken.push_back(object);
    }
    return taken;
  }
  void Free(Object* object) {
    Slice* slab = runs_.Find(object);
    if (Slab::Free(slab, object)) pool_.Attend(slab, 0);
  }
  bool Check() {
    BrokenInvariant broken;
    return pool_.Check(&broken);
  }
  size_t Used() {
    size_t objects = 0;
    size_t bytes = 0;
    pool_.CountUsed(&objects, &bytes);
    return objects;
  }
  size_t UsedBytes() {
    size_t objects = 0;
    size_t bytes = 0;
    pool_.CountUsed(&objects, &bytes);
    return bytes;
  }

  FakePageSource pages_;
  RunPool runs_{pages_};
  SliceCache cache_;
  Quota quota_;
  Status status_ = Status::kOk;
  SlabPool pool_{{runs_, quota_, &cache_}, this, kToken};
};

}  // namespace myonly::internal

#endif  // MYONLY_TESTS_SLABS_SLAB_POOL_FIXTURE_H_
