// Workloads of several threads. Each block is read by whoever frees it; sums
// don't depend on who that is.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "tools/bench/workloads/workload.h"

namespace myonly::bench {
namespace {

// Runs `work(index)` in `count` threads and waits for all.
template <typename Work>
void InThreads(size_t count, Work work) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

// Batches of blocks on their way from one thread to another.
class Channel {
 public:
  static constexpr size_t kMostBatches = 64;

  void Send(std::vector<Block> batch) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return batches_.size() < kMostBatches; });
    batches_.push_back(std::move(batch));
    changed_.notify_all();
  }
  // An empty batch says that there are no more.
  std::vector<Block> Receive() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !batches_.empty(); });
    std::vector<Block> batch = std::move(batches_.front());
    batches_.pop_front();
    changed_.notify_all();
    return batch;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<Block>> batches_;
};

void Produce(size_t batches, uint64_t seed, Channel* channel) {
  Random random(seed);
  for (size_t i = 0; i < batches; ++i) {
    std::vector<Block> batch(100);
    for (Block& block : batch) {
      block = Make(random.Between(16, 512), random.Next());
    }
    channel->Send(std::move(batch));
  }
  channel->Send({});
}

uint64_t Consume(Channel* channel) {
  uint64_t sum = 0;
  for (;;) {
    std::vector<Block> batch = channel->Receive();
    if (batch.empty()) return sum;
    for (Block& block : batch) sum += ReadAndFree(&block);
  }
}

// A cell that any thread may take the block out of. The size is in the block.
using Cell = std::atomic<unsigned char*>;

constexpr size_t kHeader = sizeof(size_t);

unsigned char* Wrap(size_t size, uint64_t mark) {
  const Block block = Make(size + kHeader + 1, 0);
  *reinterpret_cast<size_t*>(block.bytes) = block.size;
  block.bytes[block.size - 1] = static_cast<unsigned char>(mark);
  return block.bytes;
}

uint64_t Unwrap(unsigned char* bytes) {
  if (bytes == nullptr) return 0;
  const size_t size = *reinterpret_cast<size_t*>(bytes);
  const uint64_t sum = size + 31u * bytes[size - 1];
  std::free(bytes);
  return sum;
}

struct SwapPlan {
  size_t threads;
  size_t swaps;  // of all threads
  size_t cells;
  size_t highest;  // size in bytes
};

void Swap(const SwapPlan& plan, Outcome* outcome) {
  std::vector<Cell> cells(plan.cells);
  for (Cell& cell : cells) cell = nullptr;
  std::atomic<uint64_t> total{0};
  const size_t each = plan.swaps / plan.threads + 1;
  InThreads(plan.threads, [&](size_t index) {
    Random random(40 + index);
    uint64_t sum = 0;
    for (size_t i = 0; i < each; ++i) {
      // Three of four swaps are in a tenth of the cells: those live short.
      const size_t reach = i % 4 == 0 ? plan.cells : plan.cells / 10 + 1;
      Cell& cell = cells[random.Below(reach)];
      const size_t size = random.Doubling(16, plan.highest);
      sum += Unwrap(cell.exchange(Wrap(size, i)));
    }
    total += sum;
  });
  for (Cell& cell : cells) total += Unwrap(cell.load());
  outcome->checksum = total;
  outcome->operations = each * plan.threads;
}

}  // namespace

void ProducerConsumer(double scale, Outcome* outcome) {
  const size_t batches = Scaled(25000, scale);
  Channel channels[2];
  std::atomic<uint64_t> total{0};
  InThreads(4, [&](size_t index) {
    if (index < 2) {
      Produce(batches, 30 + index, &channels[index]);
    } else {
      total += Consume(&channels[index - 2]);
    }
  });
  outcome->checksum = total;
  outcome->operations = 2 * 100 * batches;
}

void Server(double scale, Outcome* outcome) {
  constexpr size_t kThreads = 4;
  constexpr size_t kGenerations = 20;
  const size_t replacements = Scaled(120000, scale);
  std::vector<std::vector<Block>> connections(kThreads);
  for (auto& blocks : connections) blocks.resize(1000);
  std::atomic<uint64_t> total{0};
  for (size_t generation = 0; generation < kGenerations; ++generation) {
    InThreads(kThreads, [&](size_t index) {
      Random random(31 + index + kThreads * generation);
      std::vector<Block>& blocks = connections[(index + generation) % kThreads];
      uint64_t sum = 0;
      for (size_t i = 0; i < replacements; ++i) {
        Block& block = blocks[random.Below(blocks.size())];
        sum += ReadAndFree(&block);
        block = Make(random.Between(8, 1000), i);
      }
      total += sum;
    });
  }
  for (auto& blocks : connections) {
    for (Block& block : blocks) total += ReadAndFree(&block);
  }
  outcome->checksum = total;
  outcome->operations = kThreads * kGenerations * replacements;
}

void ThreadChurn(double scale, Outcome* outcome) {
  constexpr size_t kAtOnce = 4;
  constexpr size_t kBlocks = 100;
  const size_t rounds = Scaled(4000, scale) / kAtOnce + 1;
  std::vector<Block> blocks(kAtOnce * kBlocks);
  std::atomic<uint64_t> total{0};
  for (size_t round = 0; round < rounds; ++round) {
    InThreads(kAtOnce, [&](size_t index) {
      Random random(32 + index + kAtOnce * round);
      uint64_t sum = 0;
      for (size_t i = 0; i < kBlocks; ++i) {
        Block& block = blocks[index * kBlocks + i];
        sum += ReadAndFree(&block);
        block = Make(random.Between(16, 2048), i);
        if (i % 2 == 0) sum += ReadAndFree(&block);
      }
      total += sum;
    });
  }
  for (Block& block : blocks) total += ReadAndFree(&block);
  outcome->checksum = total;
  outcome->operations = rounds * kAtOnce * kBlocks;
}

void MixedLifetime(double scale, Outcome* outcome) {
  Swap({4, Scaled(3000000, scale), 4000, 65536}, outcome);
}

void Oversubscribed(double scale, Outcome* outcome) {
  // At most 64, or a large machine would measure the start of threads.
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  Swap({std::min<size_t>(64, 8 * cores), Scaled(10000000, scale), 2000, 512},
       outcome);
}

}  // namespace myonly::bench
