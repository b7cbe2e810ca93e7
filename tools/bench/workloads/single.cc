// Workloads of one thread on plain blocks.
#include <cstring>

#include "tools/bench/workloads/workload.h"

namespace myonly::bench {
namespace {

// Makes and frees `count` blocks, `rounds` times.
void Batches(size_t rounds, size_t count, size_t low, size_t high,
             bool last_first, Outcome* outcome) {
  Random random(11);
  std::vector<size_t> sizes(count);
  for (size_t& size : sizes) size = random.Between(low, high);
  std::vector<Block> blocks(count);
  for (size_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < count; ++i) blocks[i] = Make(sizes[i], round + i);
    for (size_t i = 0; i < count; ++i) {
      Block* block = &blocks[last_first ? count - 1 - i : i];
      outcome->checksum += ReadAndFree(block);
    }
  }
  outcome->operations = rounds * count;
}

void Replace(size_t count, size_t low, size_t high, double scale,
             Outcome* outcome) {
  constexpr size_t kLive = 100000;
  Random random(12);
  std::vector<Block> blocks(scale < 1 ? Scaled(kLive, scale) : kLive);
  for (Block& block : blocks) {
    block = Make(random.Between(low, high), random.Next());
  }
  const size_t replacements = Scaled(count, scale);
  for (size_t i = 0; i < replacements; ++i) {
    Block& block = blocks[random.Below(blocks.size())];
    outcome->checksum += ReadAndFree(&block);
    block = Make(random.Between(low, high), i);
  }
  for (Block& block : blocks) outcome->checksum += ReadAndFree(&block);
  outcome->operations = replacements + blocks.size();
}

// What realloc has moved must still be there.
void Resize(Block* block, size_t size, uint64_t mark, Outcome* outcome) {
  outcome->checksum += Read(*block);
  block->bytes = static_cast<unsigned char*>(
      CheckMemory(std::realloc(block->bytes, size)));
  outcome->checksum += block->bytes[block->size - 1];
  block->size = size;
  block->bytes[size - 1] = static_cast<unsigned char>(mark);
  ++outcome->operations;
}

}  // namespace

void Pairs(double scale, Outcome* outcome) {
  Random random(10);
  size_t sizes[256];
  for (size_t& size : sizes) size = random.Between(16, 1024);
  outcome->operations = Scaled(30000000, scale);
  for (size_t i = 0; i < outcome->operations; ++i) {
    Block block = Make(sizes[i % 256], i);
    outcome->checksum += ReadAndFree(&block);
  }
}

void BatchLifo(double scale, Outcome* outcome) {
  Batches(Scaled(12000, scale), 1000, 16, 512, true, outcome);
}

void BatchFifo(double scale, Outcome* outcome) {
  Batches(Scaled(12000, scale), 1000, 16, 512, false, outcome);
}

void BatchLargeLifo(double scale, Outcome* outcome) {
  Batches(Scaled(1000, scale), 200, 4096, 262144, true, outcome);
}

void BatchLargeFifo(double scale, Outcome* outcome) {
  Batches(Scaled(1000, scale), 200, 4096, 262144, false, outcome);
}

void ReplaceTiny(double scale, Outcome* outcome) {
  Replace(5000000, 8, 64, scale, outcome);
}

void ReplaceSmall(double scale, Outcome* outcome) {
  Replace(4000000, 64, 512, scale, outcome);
}

void ReplaceMedium(double scale, Outcome* outcome) {
  Replace(2000000, 512, 4096, scale, outcome);
}

void Growth(double scale, Outcome* outcome) {
  Random random(13);
  outcome->operations = Scaled(2000000, scale);
  std::vector<Block> blocks(outcome->operations);
  for (size_t i = 0; i < blocks.size(); ++i) {
    blocks[i] = Make(random.Between(16, 128), i);
  }
  for (const Block& block : blocks) outcome->checksum += Read(block);
  for (Block& block : blocks) ReadAndFree(&block);
}

void ReallocGrowth(double scale, Outcome* outcome) {
  constexpr size_t kBuffers = 100;
  constexpr size_t kHighest = 256 << 10;
  const size_t rounds = Scaled(40, scale);
  for (size_t round = 0; round < rounds; ++round) {
    Random random(14 + round);
    std::vector<Block> buffers(kBuffers);
    for (Block& buffer : buffers) buffer = Make(16, round);
    for (size_t full = 0; full < kBuffers;) {
      Block& buffer = buffers[random.Below(kBuffers)];
      if (buffer.size >= kHighest) {
        full = 0;
        for (const Block& other : buffers) full += other.size >= kHighest;
        continue;
      }
      Resize(&buffer, buffer.size + buffer.size / 2, random.Next(), outcome);
    }
    for (Block& buffer : buffers) outcome->checksum += ReadAndFree(&buffer);
  }
  Block one = Make(16, 1);
  while (one.size < Scaled(64 << 20, std::min(scale, 1.0))) {
    Resize(&one, one.size + one.size / 4, one.size, outcome);
  }
  outcome->checksum += ReadAndFree(&one);
}

void LargeChurn(double scale, Outcome* outcome) {
  constexpr size_t kPage = 4096;
  Random random(15);
  Block slots[6];
  outcome->operations = Scaled(250, scale);
  for (size_t i = 0; i < outcome->operations; ++i) {
    Block& slot = slots[random.Below(6)];
    outcome->checksum += ReadAndFree(&slot);
    slot = Make(random.Doubling(1 << 20, 32 << 20), i);
    for (size_t at = kPage; at + 1 < slot.size; at += kPage) {
      slot.bytes[at] = static_cast<unsigned char>(at >> 12);
    }
    outcome->checksum += slot.bytes[slot.size / 2 / kPage * kPage];
  }
  for (Block& slot : slots) outcome->checksum += ReadAndFree(&slot);
}

}  // namespace myonly::bench
