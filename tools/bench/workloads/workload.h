// What all workloads share. A workload never knows which allocator runs: it
// calls malloc and free, and LD_PRELOAD decides whose they are.
//
// Every block is marked when it is made and read before it is freed. The sum
// of what was read is the workload's checksum: it depends on the scale only,
// so that another one tells of wrong memory.
#ifndef MYONLY_TOOLS_BENCH_WORKLOADS_WORKLOAD_H_
#define MYONLY_TOOLS_BENCH_WORKLOADS_WORKLOAD_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace myonly::bench {

struct Outcome {
  uint64_t operations = 0;  // an allocation with its free is one
  uint64_t checksum = 0;
  std::vector<std::pair<std::string, double>> details;
};

// SplitMix64: the same numbers everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  size_t Below(size_t limit) {
    return static_cast<size_t>(((Next() >> 32) * limit) >> 32);
  }
  // From `low` to `high`, both included.
  size_t Between(size_t low, size_t high) {
    return low + Below(high - low + 1);
  }
  // The same, but each doubling is as likely as any other; powers of two.
  size_t Doubling(size_t low, size_t high) {
    size_t doublings = 0;
    while ((low << doublings) < high) ++doublings;
    const size_t start = low << Below(std::max<size_t>(doublings, 1));
    return std::min(high, start + Below(start));
  }

 private:
  uint64_t state_;
};

// `count` times the scale, and 1 at least.
inline size_t Scaled(size_t count, double scale) {
  return std::max<size_t>(
      1, static_cast<size_t>(static_cast<double>(count) * scale));
}

inline void* CheckMemory(void* memory) {
  if (memory == nullptr) {
    std::fputs("workload: out of memory\n", stderr);
    std::exit(3);
  }
  return memory;
}

// A block with its size, marked at both ends.
struct Block {
  unsigned char* bytes = nullptr;
  size_t size = 0;
};

inline void Mark(const Block& block, uint64_t mark) {
  block.bytes[0] = static_cast<unsigned char>(mark);
  block.bytes[block.size - 1] = static_cast<unsigned char>(mark >> 8);
}

inline Block Make(size_t size, uint64_t mark) {
  const Block block = {
      static_cast<unsigned char*>(CheckMemory(std::malloc(size))), size};
  Mark(block, mark);
  return block;
}

inline uint64_t Read(const Block& block) {
  return block.bytes[0] + 257u * block.bytes[block.size - 1] + block.size;
}

inline uint64_t ReadAndFree(Block* block) {
  if (block->bytes == nullptr) return 0;
  const uint64_t sum = Read(*block);
  std::free(block->bytes);
  block->bytes = nullptr;
  return sum;
}

#define WORKLOAD(name, kind, function, description) \
  void function(double scale, Outcome* outcome);
#include "tools/bench/workloads/workloads.def"
#undef WORKLOAD

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_WORKLOADS_WORKLOAD_H_
