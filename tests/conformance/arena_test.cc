// The conformance suite on arenas, over real pages and over the fake.
#include <memory>

#include "allocator/pages/fake_page_source.h"
#include "allocator/pages/mmap_page_source.h"
#include "tests/conformance/arena_heap.h"
#include "tests/conformance/heap.h"

namespace myonly::testing {
namespace {

// All arenas of the process on one ground, as in the library.
ArenaGround& RealGround() {
  static auto* const pages = new internal::MmapPageSource;
  static auto* const ground = new ArenaGround(*pages);
  return *ground;
}

// A ground of its own for each test, in reservations so small that it has to
// make several.
class HeapOverFake final : public Heap {
 public:
  HeapOverFake() : ground_(pages_), heap_(ground_) {}

  void* Allocate(size_t size) override { return heap_.Allocate(size); }
  void* AllocateZeroed(size_t count, size_t size) override {
    return heap_.AllocateZeroed(count, size);
  }
  void* AllocateAligned(size_t alignment, size_t size) override {
    return heap_.AllocateAligned(alignment, size);
  }
  void* Reallocate(void* block, size_t size) override {
    return heap_.Reallocate(block, size);
  }
  void Free(void* block) override { heap_.Free(block); }
  size_t UsableSize(const void* block) override {
    return heap_.UsableSize(block);
  }
  bool Check() override { return heap_.Check(); }
  bool SetsErrno() const override { return heap_.SetsErrno(); }

 private:
  internal::FakePageSource pages_{size_t{64} << 20};
  ArenaGround ground_;
  ArenaHeap heap_;
};

MYONLY_INSTANTIATE_CONFORMANCE(
    {"ArenaOverMmap", [] { return std::make_unique<ArenaHeap>(RealGround()); }},
    {"ArenaOverFake", [] { return std::make_unique<HeapOverFake>(); }});

}  // namespace
}  // namespace myonly::testing
