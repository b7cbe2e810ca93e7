// Memory goes back to the system while a program makes few calls; and stays
// where a program goes on using it.
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/preset.h"
#include "tests/support/resident.h"

namespace {

using myonly::testing::ResidentBytes;

constexpr size_t kPage = 4096;
constexpr size_t kMiB = size_t{1} << 20;

long MinorFaults() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

struct Piece {
  char* start;
  size_t bytes;
};

class MemoryReturnTest : public ::testing::Test {
 protected:
  // 96 MiB in pieces of up to `most` bytes, all written.
  void Fill(size_t most) {
    base_ = ResidentBytes();
    for (size_t sum = 0; sum < 96 * kMiB;) {
      const size_t bytes = 16 + random_() % most;
      auto* start = static_cast<char*>(malloc(bytes));
      ASSERT_NE(start, nullptr);
      memset(start, 1, bytes);
      pieces_.push_back({start, bytes});
      sum += bytes;
    }
  }
  // Keeps one piece in twenty, here and there or the first ones.
  void FreeMost(bool in_bulk) {
    std::vector<Piece> kept;
    const size_t keep = pieces_.size() / 20;
    for (size_t i = 0; i < pieces_.size(); ++i) {
      if (in_bulk ? i < keep : random_() % 20 == 0) {
        kept.push_back(pieces_[i]);
      } else {
        free(pieces_[i].start);
      }
    }
    pieces_ = kept;
  }
  // What must stay: the pages that hold a piece.
  size_t FloorBytes() const {
    std::set<uintptr_t> pages;
    for (const Piece& piece : pieces_) {
      const auto first = reinterpret_cast<uintptr_t>(piece.start) / kPage;
      const auto last =
          (reinterpret_cast<uintptr_t>(piece.start) + piece.bytes - 1) / kPage;
      for (uintptr_t page = first; page <= last; ++page) pages.insert(page);
    }
    return pages.size() * kPage;
  }
  // A few calls every 10 ms.
  void Trickle(int seconds) {
    for (int i = 0; i < 100 * seconds; ++i) {
      for (int k = 0; k < 10; ++k) Call(16 + random_() % 1000);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  // One of each, which its list of free objects or blocks could serve.
  void TrickleOfOneSize(int seconds, size_t bytes) {
    for (int i = 0; i < 100 * seconds; ++i) {
      Call(bytes);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  static void Call(size_t bytes) {
    void* volatile ptr = malloc(bytes);
    free(ptr);
  }
  void ExpectWhatIsKept() {
    for (const Piece& piece : pieces_) {
      ASSERT_EQ(piece.start[0], 1);
      ASSERT_EQ(memcmp(piece.start, piece.start + 1, piece.bytes - 1), 0);
      free(piece.start);
    }
  }
  // Times a floor that is known without our own bookkeeping.
  double OverFloor() const {
    const size_t now = ResidentBytes();
    const size_t used = now > base_ ? now - base_ : 0;
    return static_cast<double>(used) / static_cast<double>(FloorBytes());
  }

  // Not of debug: it keeps a record of each address that has been a block.
  void ExpectOverFloor(double less_than) const {
    if (myonly::testing::kIsDebug) return;
    EXPECT_LT(OverFloor(), less_than);
  }

  std::mt19937 random_{11};
  std::vector<Piece> pieces_;
  size_t base_ = 0;
};

TEST_F(MemoryReturnTest, SmallPiecesHereAndThere) {
  Fill(1000);
  FreeMost(/*in_bulk=*/false);
  Trickle(5);
  ExpectOverFloor(1.6);
  ExpectWhatIsKept();
}

TEST_F(MemoryReturnTest, LargerPiecesHereAndThere) {
  Fill(30000);
  FreeMost(/*in_bulk=*/false);
  Trickle(5);
  ExpectOverFloor(1.6);
  ExpectWhatIsKept();
}

// The floor is 5 MiB here: what every process keeps is a part of it.
TEST_F(MemoryReturnTest, AlmostAllAtOnce) {
  Fill(1000);
  FreeMost(/*in_bulk=*/true);
  Trickle(4);
  ExpectOverFloor(2.0);
  ExpectWhatIsKept();
}

TEST_F(MemoryReturnTest, CallsForOneObjectAreEnough) {
  Fill(1000);
  FreeMost(/*in_bulk=*/false);
  TrickleOfOneSize(5, 100);
  ExpectOverFloor(1.6);
  ExpectWhatIsKept();
}

TEST_F(MemoryReturnTest, MallocTrimDoesNotWait) {
  Fill(1000);
  FreeMost(/*in_bulk=*/false);
  EXPECT_EQ(malloc_trim(0), 1);
  ExpectOverFloor(1.5);
  ExpectWhatIsKept();
}

// With MYONLY_BACKGROUND=1, and no call at all after the last free.
class BackgroundReturnTest : public MemoryReturnTest {};

TEST_F(BackgroundReturnTest, SmallPiecesHereAndThere) {
  Fill(1000);
  FreeMost(/*in_bulk=*/false);
  std::this_thread::sleep_for(std::chrono::seconds(3));
  ExpectOverFloor(1.6);
  ExpectWhatIsKept();
}

TEST_F(BackgroundReturnTest, LargerPiecesHereAndThere) {
  Fill(30000);
  FreeMost(/*in_bulk=*/false);
  std::this_thread::sleep_for(std::chrono::seconds(3));
  ExpectOverFloor(myonly::internal::kIsSecure ? 2.0 : 1.7);
  ExpectWhatIsKept();
}

TEST_F(BackgroundReturnTest, AlmostAllAtOnce) {
  Fill(1000);
  FreeMost(/*in_bulk=*/true);
  std::this_thread::sleep_for(std::chrono::seconds(3));
  ExpectOverFloor(2.0);
  ExpectWhatIsKept();
}

// What a thread that has ended leaves behind is given back by others.
TEST_F(BackgroundReturnTest, WhatAnEndedThreadHeld) {
  std::thread([this] {
    Fill(1000);
    FreeMost(/*in_bulk=*/false);
  }).join();
  std::this_thread::sleep_for(std::chrono::seconds(4));
  ExpectOverFloor(1.6);
  ExpectWhatIsKept();
}

TEST_F(BackgroundReturnTest, AForkedChildWorksWithoutTheThread) {
  Fill(1000);
  const pid_t child = fork();
  if (child == 0) {
    FreeMost(/*in_bulk=*/false);
    Trickle(1);
    for (const Piece& piece : pieces_) free(piece.start);
    _exit(malloc_trim(0) == 1 ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ExpectWhatIsKept();
}

TEST_F(BackgroundReturnTest, ItsThreadTakesNoSignals) {
  size_t threads = 0;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream name(task.path() / "comm");
    std::string comm;
    std::getline(name, comm);
    if (comm != "myonlymalloc") continue;
    ++threads;
    std::ifstream file(task.path() / "status");
    for (std::string line; std::getline(file, line);) {
      if (line.rfind("SigBlk:", 0) != 0) continue;
      // SIGTERM and SIGINT, for two.
      const uint64_t mask = std::stoull(line.substr(7), nullptr, 16);
      EXPECT_EQ(mask & (1U << (SIGTERM - 1) | 1U << (SIGINT - 1)),
                1U << (SIGTERM - 1) | 1U << (SIGINT - 1));
    }
  }
  EXPECT_EQ(threads, 1U);
}

// --- And without. ---

// Others' slow paths do it too.
TEST_F(MemoryReturnTest, WhatAnEndedThreadHeld) {
  std::thread([this] {
    Fill(1000);
    FreeMost(/*in_bulk=*/false);
  }).join();
  Trickle(5);
  ExpectOverFloor(1.6);
  ExpectWhatIsKept();
}

// What others free of an ended thread's serves who needs memory.
TEST_F(MemoryReturnTest, WhatComesHomeToAnEndedThreadIsUsedAgain) {
  std::thread([this] { Fill(1000); }).join();
  for (const Piece& piece : pieces_) free(piece.start);
  pieces_.clear();
  const size_t before = ResidentBytes();
  Fill(1000);
  EXPECT_LT(ResidentBytes(), before + 24 * kMiB) << "of 96 MiB";
  ExpectWhatIsKept();
}

// A program that replaces what it has keeps its pages.
TEST_F(MemoryReturnTest, WhatIsInUseIsLeftAlone) {
  Fill(1000);
  const auto replace_for = [this](int ms) {
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
    long operations = 0;
    while (std::chrono::steady_clock::now() < end) {
      for (int i = 0; i < 1000; ++i, ++operations) {
        Piece& piece = pieces_[random_() % pieces_.size()];
        free(piece.start);
        piece.start = static_cast<char*>(malloc(piece.bytes));
        memset(piece.start, 1, piece.bytes);
      }
    }
    return operations;
  };
  replace_for(2500);
  const long before = MinorFaults();
  const long operations = replace_for(1500);
  EXPECT_LT(MinorFaults() - before, operations / 1000 + 100);
  ExpectWhatIsKept();
}

}  // namespace
