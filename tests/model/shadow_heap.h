// A heap on paper: which bytes belong to which block, and what is in them.
//
// The model tells it of each block that an allocator hands out, moves or takes
// back. It fills blocks with a pattern of their own and aborts with a message
// if a block overlaps another one, is misaligned or has lost its contents.
// Blocks up to kWholeBytes are filled and checked whole, larger ones at both
// ends and at some places between, or the test would do little else.
#ifndef MYONLY_TESTS_MODEL_SHADOW_HEAP_H_
#define MYONLY_TESTS_MODEL_SHADOW_HEAP_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace myonly::testing {

struct ShadowBlock {
  char* start;
  size_t bytes;    // All that may be used.
  uint32_t owner;  // An arena, in the model's numbers.
  uint32_t tag;    // Chooses the pattern.
};

class ShadowHeap {
 public:
  static constexpr size_t kWholeBytes = size_t{64} << 10;

  ShadowHeap();

  size_t size() const { return blocks_.size(); }
  const ShadowBlock& block(size_t index) const { return blocks_[index]; }
  size_t live_bytes() const { return live_bytes_; }

  // A new block. `zeroed`: how many bytes of it have to be 0.
  void Add(void* start, size_t bytes, size_t alignment, uint32_t owner,
           size_t zeroed);
  // Block `index` is about to be freed, or dropped with its arena.
  void Remove(size_t index);
  // Block `index` was resized, and perhaps moved; the first `kept` bytes of it
  // have to be there still.
  void Resize(size_t index, void* start, size_t bytes, size_t kept);
  void CheckContents(size_t index) const;

 private:
  void Insert(const ShadowBlock& block);
  void Erase(const ShadowBlock& block);

  std::vector<ShadowBlock> blocks_;
  std::map<uintptr_t, size_t> ends_;  // start -> end, of all blocks
  size_t live_bytes_ = 0;
  uint32_t next_tag_ = 1;
};

// Prints "model: <message>" with the block, and aborts.
[[noreturn]] void ModelFailed(const char* message, const void* address,
                              size_t bytes);

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_MODEL_SHADOW_HEAP_H_
