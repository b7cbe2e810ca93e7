// A run pool over pages that can refuse.
#ifndef MYONLY_TESTS_LARGE_RUN_POOL_FIXTURE_H_
#define MYONLY_TESTS_LARGE_RUN_POOL_FIXTURE_H_

#include <cstddef>

#include "allocator/large/run_pool.h"
#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/slice.h"
#include "gtest/gtest.h"

namespace myonly::internal {

class RunPoolFixture : public ::testing::Test {
 protected:
  ~RunPoolFixture() override { pool_.CheckInvariants(); }

  Slice* Allocate(size_t slices, RunKind kind = RunKind::kLarge) {
    bool zeroed;
    return pool_.Allocate(slices, kind, this, &zeroed);
  }
  void FreeAndKeep(Slice* run) {
    run->kind = RunKind::kBusy;
    pool_.FreeAndKeep(run);
  }
  // Leaves so much dirty, in one run.
  void MakeDirty(size_t slices) { pool_.Free(Allocate(slices)); }
  size_t DirtySlices() { return pool_.dirty_bytes() / kSliceSize; }

  FakePageSource pages_{size_t{1} << 30};
  RunPool pool_{pages_};
};

}  // namespace myonly::internal

#endif  // MYONLY_TESTS_LARGE_RUN_POOL_FIXTURE_H_
