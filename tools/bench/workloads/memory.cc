// What is left when work is over: in threads that wait, and in heaps of which
// little is live. Memory and single costs are in the details; how long the
// whole takes says nothing.
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tools/bench/workloads/workload.h"

namespace myonly::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kPage = 4096;
constexpr double kMiB = 1 << 20;

double Microseconds(Clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

// Of the process, without a call of the allocator.
size_t ResidentBytes() {
  char text[128] = {};
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  const bool read_it = file >= 0 && read(file, text, sizeof(text) - 1) > 0;
  if (file >= 0) close(file);
  const char* resident = read_it ? std::strchr(text, ' ') : nullptr;
  return resident == nullptr ? 0 : std::strtoul(resident, nullptr, 10) * kPage;
}

// An array that is no block of the allocator, and resident from the start.
template <typename T>
class Table {
 public:
  explicit Table(size_t count)
      : count_(count), items_(static_cast<T*>(Map(count * sizeof(T)))) {}
  ~Table() { munmap(items_, count_ * sizeof(T)); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  T* begin() { return items_; }
  T* end() { return items_ + count_; }
  T& operator[](size_t i) { return items_[i]; }
  size_t size() const { return count_; }

 private:
  static void* Map(size_t bytes) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return CheckMemory(memory == MAP_FAILED ? nullptr : memory);
  }

  const size_t count_;
  T* const items_;
};

// Bytes of the pages that live blocks lie on: nobody can have fewer.
size_t PagesUnder(Table<Block>* blocks) {
  std::sort(blocks->begin(), blocks->end(),
            [](const Block& a, const Block& b) { return a.bytes < b.bytes; });
  size_t pages = 0;
  uintptr_t next = 0;
  for (const Block& block : *blocks) {
    if (block.bytes == nullptr) continue;
    const uintptr_t first = reinterpret_cast<uintptr_t>(block.bytes) / kPage;
    const uintptr_t end =
        (reinterpret_cast<uintptr_t>(block.bytes) + block.size - 1) / kPage + 1;
    pages += end - std::max(first, next);
    next = end;
  }
  return pages * kPage;
}

// Ten seconds in which the program makes ten calls each.
void Trickle(double scale) {
  const std::chrono::duration<double> pause(0.1 * std::min(scale, 1.0));
  for (int i = 0; i < 100; ++i) {
    std::free(CheckMemory(std::malloc(64)));
    std::this_thread::sleep_for(pause);
  }
}

// 2 GiB, of which a twentieth stays: each 20th at random, or the first ones.
void FreeMost(double scale, bool at_random, Outcome* outcome) {
  constexpr size_t kLeast = 16;
  constexpr size_t kMost = 1024;
  constexpr double kBytes = 2048 * kMiB;
  Table<Block> blocks(
      Scaled(static_cast<size_t>(kBytes / ((kLeast + kMost) / 2.0)), scale));
  Random random(70);
  const size_t before = ResidentBytes();
  for (size_t i = 0; i < blocks.size(); ++i) {
    blocks[i] = Make(random.Between(kLeast, kMost), i);
  }
  const size_t full = ResidentBytes() - before;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const bool stays =
        at_random ? random.Below(20) == 0 : i < blocks.size() / 20;
    if (!stays) outcome->checksum += ReadAndFree(&blocks[i]);
  }
  Trickle(scale);
  const size_t after = ResidentBytes();
  const size_t left = after - std::min(before, after);
  const size_t floor = std::max(PagesUnder(&blocks), kPage);
  for (Block& block : blocks) outcome->checksum += ReadAndFree(&block);
  outcome->operations = blocks.size();
  outcome->details = {{"full_mib", static_cast<double>(full) / kMiB},
                      {"left_mib", static_cast<double>(left) / kMiB},
                      {"floor_mib", static_cast<double>(floor) / kMiB},
                      {"left_over_floor",
                       static_cast<double>(left) / static_cast<double>(floor)}};
}

// Threads that all do the same step, and wait while the process is looked at.
struct Waiting {
  pthread_barrier_t barrier;
  std::vector<std::vector<size_t>> steps;  // sizes that each thread allocates
};

void* Wait(void* argument) {
  auto& waiting = *static_cast<Waiting*>(argument);
  Block blocks[64];
  size_t count = 0;
  for (const std::vector<size_t>& sizes : waiting.steps) {
    pthread_barrier_wait(&waiting.barrier);
    for (const size_t size : sizes) blocks[count++] = Make(size, size);
    pthread_barrier_wait(&waiting.barrier);
  }
  pthread_barrier_wait(&waiting.barrier);
  for (size_t i = 0; i < count; ++i) ReadAndFree(&blocks[i]);
  return nullptr;
}

void* MallocOnce(void* argument) {
  if (argument != nullptr) std::free(CheckMemory(std::malloc(100)));
  return nullptr;
}

// How long `count` threads take, one after the other.
double StartsAndEnds(size_t count, bool with_malloc) {
  const auto start = Clock::now();
  for (size_t i = 0; i < count; ++i) {
    static char yes;
    pthread_t thread;
    if (pthread_create(&thread, nullptr, MallocOnce,
                       with_malloc ? &yes : nullptr) != 0) {
      std::exit(3);
    }
    pthread_join(thread, nullptr);
  }
  return Microseconds(Clock::now() - start) / static_cast<double>(count);
}

// Nanoseconds that each of `count` steps takes.
template <typename Step>
double NanosecondsOf(size_t count, Step step) {
  const auto start = Clock::now();
  for (size_t i = 0; i < count; ++i) step(i);
  return Microseconds(Clock::now() - start) * 1000 / static_cast<double>(count);
}

// One of `live` blocks is replaced; and before that, without the allocator, one
// is read and written to as if it had been: what waits for memory.
void ReplaceAmong(size_t live, size_t count, Outcome* outcome) {
  Table<Block> blocks(live);
  Random random(72);
  for (Block& block : blocks) block = Make(random.Between(16, 128), live);
  const double touch = NanosecondsOf(count, [&](size_t i) {
    const Block& block = blocks[random.Below(live)];
    outcome->checksum += Read(block);
    Mark(block, i);
  });
  const double replace = NanosecondsOf(count, [&](size_t i) {
    Block& block = blocks[random.Below(live)];
    outcome->checksum += ReadAndFree(&block);
    block = Make(random.Between(16, 128), i);
  });
  for (Block& block : blocks) outcome->checksum += ReadAndFree(&block);
  outcome->operations += live + count;
  const std::string name = "live_" + std::to_string(live);
  outcome->details.emplace_back(name + "_touch_ns", touch);
  outcome->details.emplace_back(name + "_ns", replace);
}

// Blocks on their way from the one thread that makes them to the one that frees
// them, or to the same one.
class Ring {
 public:
  static constexpr size_t kBlocks = 8192;

  void Put(const Block& block) {
    while (made_.load(std::memory_order_relaxed) -
               taken_.load(std::memory_order_acquire) ==
           kBlocks) {
      std::this_thread::yield();
    }
    const size_t i = made_.load(std::memory_order_relaxed);
    blocks_[i % kBlocks] = block;
    made_.store(i + 1, std::memory_order_release);
  }
  Block Take() {
    const size_t i = taken_.load(std::memory_order_relaxed);
    while (made_.load(std::memory_order_acquire) == i) {
      std::this_thread::yield();
    }
    const Block block = blocks_[i % kBlocks];
    taken_.store(i + 1, std::memory_order_release);
    return block;
  }

 private:
  alignas(64) std::atomic<size_t> made_{0};
  alignas(64) std::atomic<size_t> taken_{0};
  Table<Block> blocks_{kBlocks};
};

// The most that is resident while `count` blocks are freed, of the first eighth
// and of all.
struct MostResident {
  size_t early = 0;
  size_t all = 0;

  void Look(size_t i, size_t count) {
    if (i % (count / 256 + 1) != 0) return;
    all = std::max(all, ResidentBytes());
    if (i < count / 8) early = all;
  }
};

MostResident FreeAsMade(size_t count, bool at_home, Outcome* outcome) {
  Ring ring;
  MostResident most;
  uint64_t sum = 0;
  const auto make = [&ring](size_t first, size_t end, Random* random) {
    for (size_t i = first; i < end; ++i) {
      ring.Put(Make(random->Doubling(16, 4096), i));
    }
  };
  const auto free = [&](size_t i) {
    Block block = ring.Take();
    sum += ReadAndFree(&block);
    most.Look(i, count);
  };
  Random random(73);
  if (at_home) {
    const size_t ahead = std::min(count, Ring::kBlocks);
    make(0, ahead, &random);
    for (size_t i = 0; i < count; ++i) {
      free(i);
      if (i + ahead < count) make(i + ahead, i + ahead + 1, &random);
    }
  } else {
    std::thread maker(make, 0, count, &random);
    for (size_t i = 0; i < count; ++i) free(i);
    maker.join();
  }
  outcome->checksum += sum;
  outcome->operations += count;
  return most;
}

}  // namespace

void FreedAtRandom(double scale, Outcome* outcome) {
  FreeMost(scale, /*at_random=*/true, outcome);
}

void FreedInBulk(double scale, Outcome* outcome) {
  FreeMost(scale, /*at_random=*/false, outcome);
}

// One size after the other: 32 MiB of each, of which each 50th block stays.
void Survivors(double scale, Outcome* outcome) {
  constexpr double kBytesOfEach = 32 * kMiB;
  std::vector<size_t> sizes;
  for (size_t size = 16; size <= 64 << 10;
       size += std::max(size / 4, size_t{16})) {
    sizes.push_back(size);
  }
  size_t most = 0;
  for (const size_t size : sizes) {
    most += Scaled(static_cast<size_t>(kBytesOfEach) / size, scale) / 50 + 1;
  }
  Table<Block> survivors(most);
  Table<Block> blocks(Scaled(static_cast<size_t>(kBytesOfEach) / 16, scale));
  Random random(71);
  const size_t before = ResidentBytes();
  size_t kept = 0;
  size_t live = 0;
  for (const size_t size : sizes) {
    const size_t count =
        Scaled(static_cast<size_t>(kBytesOfEach) / size, scale);
    for (size_t i = 0; i < count; ++i) blocks[i] = Make(size, i);
    for (size_t i = 0; i < count; ++i) {
      if (i % 50 == 0) {
        survivors[kept++] = blocks[i];
        live += size;
      } else {
        outcome->checksum += ReadAndFree(&blocks[i]);
      }
    }
    outcome->operations += count;
  }
  const size_t after = ResidentBytes();
  const auto left = static_cast<double>(after - std::min(before, after));
  const auto floor = static_cast<double>(PagesUnder(&survivors));
  for (Block& block : survivors) outcome->checksum += ReadAndFree(&block);
  outcome->details = {{"left_mib", left / kMiB},
                      {"floor_mib", floor / kMiB},
                      {"live_mib", static_cast<double>(live) / kMiB},
                      {"left_over_live", left / static_cast<double>(live)}};
}

void IdleThreads(double scale, Outcome* outcome) {
  const size_t count = Scaled(200, std::min(scale, 1.0));
  std::vector<size_t> twenty;
  for (size_t i = 1; i <= 20; ++i) twenty.push_back(48 * i);
  // The first step is what a thread has without the allocator.
  Waiting waiting = {{}, {{}, {100}, twenty}};
  pthread_barrier_init(&waiting.barrier, nullptr,
                       static_cast<unsigned>(count + 1));
  std::vector<pthread_t> threads(count);
  for (pthread_t& thread : threads) {
    if (pthread_create(&thread, nullptr, Wait, &waiting) != 0) std::exit(3);
  }
  std::vector<double> kib(waiting.steps.size());
  for (double& resident : kib) {
    pthread_barrier_wait(&waiting.barrier);
    pthread_barrier_wait(&waiting.barrier);
    resident = static_cast<double>(ResidentBytes()) / 1024 /
               static_cast<double>(count);
  }
  pthread_barrier_wait(&waiting.barrier);
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  pthread_barrier_destroy(&waiting.barrier);
  outcome->operations = count;
  outcome->details = {{"one_malloc_kib", kib[1] - kib[0]},
                      {"twenty_sizes_kib", kib[2] - kib[0]}};
}

// In turns, as what a thread costs changes with the machine's mood.
void ThreadStarts(double scale, Outcome* outcome) {
  constexpr size_t kEach = 100;
  std::vector<double> with, without;
  for (size_t i = 0; i < Scaled(100, scale); ++i) {
    without.push_back(StartsAndEnds(kEach, false));
    with.push_back(StartsAndEnds(kEach, true));
  }
  const auto median = [](std::vector<double>* values) {
    const auto middle =
        values->begin() + static_cast<ptrdiff_t>(values->size() / 2);
    std::nth_element(values->begin(), middle, values->end());
    return *middle;
  };
  outcome->operations = 2 * kEach * with.size();
  const double none = median(&without);
  outcome->details = {{"thread_us", none},
                      {"malloc_more_us", median(&with) - none}};
}

// In the thread that makes them first, which then ends, so that its memory is
// there for the next one.
void FreedElsewhere(double scale, Outcome* outcome) {
  const size_t count = Scaled(50000000, scale);
  const size_t before = ResidentBytes();
  const auto mib = [before](size_t resident) {
    return static_cast<double>(resident - std::min(before, resident)) / kMiB;
  };
  MostResident home;
  std::thread([&] {
    home = FreeAsMade(count, /*at_home=*/true, outcome);
  }).join();
  const MostResident away = FreeAsMade(count, /*at_home=*/false, outcome);
  outcome->details = {{"at_home_mib", mib(home.all)},
                      {"elsewhere_early_mib", mib(away.early)},
                      {"elsewhere_mib", mib(away.all)}};
}

void LiveObjects(double scale, Outcome* outcome) {
  const size_t count = Scaled(2000000, std::min(scale, 1.0));
  for (size_t live = 10000; live <= Scaled(10000000, scale); live *= 10) {
    ReplaceAmong(live, count, outcome);
  }
  if (outcome->operations == 0) ReplaceAmong(1000, count, outcome);
}

}  // namespace myonly::bench
