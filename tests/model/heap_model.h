// Runs random operations on the C API and compares each with a shadow heap.
//
// Allocate, zeroed, aligned, at least, batches, realloc, resize in place, free,
// and arenas that are made, reset and destroyed, with and without a limit. Any
// difference prints one line and aborts, which a test and a fuzzer both take
// for a failure. One thread only, and nobody else may use the process heap of
// the C API: the model compares its statistics.
#ifndef MYONLY_TESTS_MODEL_HEAP_MODEL_H_
#define MYONLY_TESTS_MODEL_HEAP_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "myonly/myonly.h"
#include "tests/model/choices.h"
#include "tests/model/shadow_heap.h"

namespace myonly::testing {

struct HeapModelOptions {
  size_t most_blocks = 8192;
  size_t most_bytes = size_t{256} << 20;
  // Operations between two checks of all invariants and statistics.
  uint64_t check_interval = 100000;
};

class HeapModel {
 public:
  HeapModel(Choices& choices, const HeapModelOptions& options);
  // Frees all blocks and destroys all arenas, with all checks.
  ~HeapModel();
  HeapModel(const HeapModel&) = delete;
  HeapModel& operator=(const HeapModel&) = delete;

  // One operation.
  void Step();
  uint64_t steps() const { return steps_; }

 private:
  // Number 0 is the process heap. A free number has neither handle nor blocks.
  struct Heap {
    myonly_arena* handle = nullptr;
    bool in_use = false;
    bool limited = false;
    uint64_t blocks = 0;
    uint64_t bytes = 0;
  };
  static constexpr uint32_t kHeaps = 9;

  bool Chance(uint64_t percent) { return choices_.Below(100) < percent; }
  size_t ChooseSize();
  size_t ChooseAlignment();
  uint32_t ChooseHeap();
  bool IsFull() const;

  void Allocate();
  void AllocateBatch();
  void AllocateTooMuch();
  void Free();
  void Reallocate();
  void TryResize();
  void LookAt();
  void CreateArena();
  void ResetArena();
  void DestroyArena();
  void UseStaleHandle();

  void Added(uint32_t heap, void* block, size_t size, size_t alignment,
             size_t zeroed);
  // Forgets block `index` of the shadow heap; the caller frees it.
  void Removed(size_t index);
  void Resized(size_t index, void* block, size_t kept);
  void DropBlocksOf(uint32_t heap);
  // NULL came back: fine if the heap has a limit.
  void ExpectMayFail(uint32_t heap, size_t size) const;
  void CheckAll() const;
  void CheckHeap(uint32_t number) const;

  Choices& choices_;
  const HeapModelOptions options_;
  ShadowHeap shadow_;
  Heap heaps_[kHeaps];
  uint64_t blocks_before_;  // of the process heap, when the model began
  uint64_t bytes_before_;
  std::vector<myonly_arena*> stale_;
  bool growing_ = true;
  uint64_t steps_ = 0;
};

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_MODEL_HEAP_MODEL_H_
