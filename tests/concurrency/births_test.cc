// Threads that are born, allocate and die in great numbers, with destructors
// that still allocate and free when the allocator has given up their state;
// and many threads at once on few cores. The allocator is this program's
// malloc.
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/concurrency/block.h"
#include "tests/concurrency/long_run.h"
#include "tests/support/preset.h"
#include "tests/support/resident.h"

namespace myonly::testing {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kAtOnce = 8;

// Blocks that one thread leaves for others to free.
class Shelf {
 public:
  // Puts a block there and takes the one that was in its place.
  TaggedBlock Exchange(size_t place, TaggedBlock block) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::swap(blocks_[place % kPlaces], block);
    return block;
  }
  void FreeAll() {
    for (TaggedBlock& block : blocks_) {
      free(block.start);
      block = {};
    }
  }

 private:
  static constexpr size_t kPlaces = 64;
  std::mutex mutex_;
  TaggedBlock blocks_[kPlaces] = {};
};

TaggedBlock NewBlock(size_t size, size_t tag) {
  TaggedBlock block = {static_cast<char*>(malloc(size)), size,
                       static_cast<char>(tag)};
  if (block.start != nullptr) block.Fill();
  return block;
}

Shelf shelf;
std::atomic<size_t> wrong{0};
pthread_key_t key;

// glibc calls it up to four times: the last time the allocator's own
// destructor has been called.
struct Last {
  int rounds = 0;
  TaggedBlock block;
};

void EndOfThread(void* value) {
  auto* last = static_cast<Last*>(value);
  if (!last->block.Holds()) ++wrong;
  free(last->block.start);
  last->block = NewBlock(100 * static_cast<size_t>(last->rounds) + 50, 7);
  if (++last->rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
    pthread_setspecific(key, last);
    return;
  }
  free(last->block.start);
  delete last;
}

void* Live(void* argument) {
  const size_t number = reinterpret_cast<uintptr_t>(argument);
  ThreadRandom random(static_cast<uint32_t>(number));
  auto* last = new Last();
  last->block = NewBlock(random.Below(2000) + 1, number);
  pthread_setspecific(key, last);
  for (size_t i = 0; i < 20; ++i) {
    // Small ones often, so that it gets slabs of its own.
    const size_t size = i % 4 == 0 ? random.Size() : random.Below(200) + 1;
    const TaggedBlock old =
        shelf.Exchange(random.Below(64), NewBlock(size, number + i));
    if (old.start != nullptr && !old.Holds()) ++wrong;
    free(old.start);
  }
  return nullptr;
}

void RunThreads(size_t count, size_t first_number) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  pthread_t threads[kAtOnce];
  for (size_t i = 0; i < count; i += kAtOnce) {
    for (size_t j = 0; j < kAtOnce; ++j) {
      ASSERT_EQ(pthread_create(&threads[j], &attributes, Live,
                               reinterpret_cast<void*>(first_number + i + j)),
                0);
    }
    for (pthread_t thread : threads) pthread_join(thread, nullptr);
  }
  pthread_attr_destroy(&attributes);
}

TEST(BirthsTest, ThreadsComeAndGoAndNothingGrows) {
  const size_t count = ShortOrLong<size_t>(20'000, 1'000'000);
  ASSERT_EQ(pthread_key_create(&key, EndOfThread), 0);
  RunThreads(2000, 0);
  const size_t before = ResidentBytes();
  RunThreads(count, 2000);
  const size_t after = ResidentBytes();
  shelf.FreeAll();
  EXPECT_EQ(wrong, 0u);
  // Debug keeps a record of each address that has been a block.
  if (!kIsDebug) {
    EXPECT_LT(after, before + 16 * kMiB);
  }
  printf("figure: %zu threads; resident before %zu KiB, after %zu KiB\n", count,
         before >> 10, after >> 10);
}

// All kinds of blocks, on a stack that has little beside what libc wants.
void* LiveOnLittle(void*) {
  ThreadRandom random(3);
  TaggedBlock blocks[8];
  for (size_t i = 0; i < 300; ++i) {
    TaggedBlock& block = blocks[random.Below(8)];
    if (block.start != nullptr && !block.Holds()) ++wrong;
    if (i % 5 == 0) {
      block.size = random.Size();
      block.start = static_cast<char*>(realloc(block.start, block.size));
    } else {
      free(block.start);
      block = NewBlock(random.Size(), i);
    }
    if (block.start == nullptr) ++wrong;
    block.Fill();
  }
  for (const TaggedBlock& block : blocks) free(block.start);
  return nullptr;
}

TEST(BirthsTest, TheSmallestStackIsEnough) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  const auto smallest = static_cast<size_t>(sysconf(_SC_THREAD_STACK_MIN));
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, smallest), 0);
  for (int i = 0; i < 50; ++i) {
    pthread_t thread;
    ASSERT_EQ(pthread_create(&thread, &attributes, LiveOnLittle, nullptr), 0);
    pthread_join(thread, nullptr);
  }
  pthread_attr_destroy(&attributes);
  EXPECT_EQ(wrong, 0u);
}

void* OnlyFree(void* block) {
  free(block);
  return nullptr;
}

// What others have allocated, in threads that make no other call.
TEST(BirthsTest, ThreadsThatOnlyFreeLeaveNothingBehind) {
  size_t before = 0;
  for (size_t i = 0; i < 6000; ++i) {
    if (i == 1000) before = ResidentBytes();
    const TaggedBlock block = NewBlock(i % 2 == 0 ? 100 : 5000, i);
    ASSERT_NE(block.start, nullptr);
    pthread_t thread;
    ASSERT_EQ(pthread_create(&thread, nullptr, OnlyFree, block.start), 0);
    pthread_join(thread, nullptr);
  }
  if (!kIsDebug) {
    EXPECT_LT(ResidentBytes(), before + 4 * kMiB);
  }
}

pthread_key_t late_key;
int late_round;  // of the destructors, counted from 1

void CallInRound(void* rounds) {
  int& round = *static_cast<int*>(rounds);
  if (++round < late_round) {
    pthread_setspecific(late_key, rounds);
    return;
  }
  void* blocks[40];
  for (void*& block : blocks) block = malloc(100);
  for (void* block : blocks) free(block);
}

void* LiveLate(void* rounds) {
  pthread_setspecific(late_key, rounds);
  return nullptr;
}

// The last of the four rounds is left out: nobody is called after it.
TEST(BirthsTest, ThreadsThatBeginInTheirDestructorsLeaveNothingBehind) {
  ASSERT_EQ(pthread_key_create(&late_key, CallInRound), 0);
  for (late_round = 1; late_round < PTHREAD_DESTRUCTOR_ITERATIONS;
       ++late_round) {
    size_t before = 0;
    for (int i = 0; i < 3000; ++i) {
      if (i == 1000) before = ResidentBytes();
      int rounds = 0;
      pthread_t thread;
      ASSERT_EQ(pthread_create(&thread, nullptr, LiveLate, &rounds), 0);
      pthread_join(thread, nullptr);
    }
    if (!kIsDebug) {
      EXPECT_LT(ResidentBytes(), before + 4 * kMiB) << late_round;
    }
  }
  pthread_key_delete(late_key);
}

TEST(BirthsTest, SixtyFourThreadsOnFewCores) {
  const size_t rounds = ShortOrLong<size_t>(20'000, 1'000'000);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 64; ++i) {
    threads.emplace_back([i, rounds] {
      ThreadRandom random(static_cast<uint32_t>(i));
      for (size_t round = 0; round < rounds; ++round) {
        const TaggedBlock block = shelf.Exchange(
            i * 3 + random.Below(8),
            NewBlock(random.Below(round % 16 == 0 ? 5000 : 500) + 1, round));
        if (block.start != nullptr && !block.Holds()) ++wrong;
        free(block.start);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  shelf.FreeAll();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace myonly::testing
