// Free runs of slices, sorted by (size, address): best fit, and among equals
// the lowest address, so that memory fills from below.
//
// Intrusive: the links are in the runs' own descriptors.
// Externally synchronised.
#ifndef MYONLY_ALLOCATOR_LARGE_LARGE_TREE_H_
#define MYONLY_ALLOCATOR_LARGE_LARGE_TREE_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "allocator/base/treap.h"
#include "allocator/pages/slice.h"

namespace myonly::internal {

class LargeTree {
 public:
  constexpr LargeTree() = default;

  // `run` is the first descriptor of a free run; its size must not change while
  // it is in. Like the next two this is not inlined: it is long, and called
  // from many places.
  ABSL_ATTRIBUTE_NOINLINE void Insert(Slice& run) {
    tree_.Insert(run);
    slices_ += run.run_slices;
  }
  ABSL_ATTRIBUTE_NOINLINE void Remove(Slice& run) {
    tree_.Remove(run);
    slices_ -= run.run_slices;
  }

  // The smallest run of at least `slices`, the lowest of those; or NULL.
  ABSL_ATTRIBUTE_NOINLINE Slice* FindBestFit(size_t slices) const {
    return tree_.FirstNot(
        [slices](const Slice& run) { return run.run_slices < slices; });
  }

  // The largest run, the highest of those; or NULL.
  Slice* FindLargest() const { return tree_.Largest(); }

  size_t slices() const { return slices_; }

  // Calls visit(const Slice&) for every run, in order; false if the tree is
  // broken.
  template <typename Visit>
  bool Check(Visit visit) const {
    size_t sum = 0;
    const Slice* bad = tree_.CheckAndVisit([&sum, &visit](const Slice& run) {
      sum += run.run_slices;
      visit(run);
    });
    return bad == nullptr && sum == slices_;
  }

 private:
  struct Order {
    static Slice*& Left(Slice& run) { return run.tree.left; }
    static Slice*& Right(Slice& run) { return run.tree.right; }
    // Descriptors lie the other way round than their slices.
    static bool Less(const Slice& a, const Slice& b) {
      return a.run_slices != b.run_slices ? a.run_slices < b.run_slices
                                          : &a > &b;
    }
    static uint64_t Priority(const Slice& run) {
      return MixBits(reinterpret_cast<uintptr_t>(&run));
    }
  };

  Treap<Slice, Order> tree_;
  size_t slices_ = 0;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_LARGE_LARGE_TREE_H_
