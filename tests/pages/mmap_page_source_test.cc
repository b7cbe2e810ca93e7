// What page_source_test does not see: the limits of the system.
#include "allocator/pages/mmap_page_source.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "allocator/base/clock.h"
#include "allocator/base/sizes.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

// In a child: the limit can't be taken back.
void LimitAddresses() {
  const rlimit limit = {size_t{1} << 30, size_t{1} << 30};
  setrlimit(RLIMIT_AS, &limit);
  const bool ok = MmapPageSource().ReservationLimit() == (size_t{1} << 30) / 16;
  _exit(ok ? 0 : 1);
}

TEST(MmapPageSourceTest, AReservationTakesAPartOfALimit) {
  EXPECT_EXIT(LimitAddresses(), ::testing::ExitedWithCode(0), "");
  rlimit limit;
  getrlimit(RLIMIT_AS, &limit);
  if (limit.rlim_cur == RLIM_INFINITY) {
    EXPECT_EQ(MmapPageSource().ReservationLimit(),
              MmapPageSource::kMaxReservation);
  }
}

// madvise refuses locked pages; the caller must learn that they are not zero.
TEST(MmapPageSourceTest, LockedPagesAreNotPurged) {
  MmapPageSource pages;
  auto* start = static_cast<char*>(
      pages.Reserve(kPageSize, kPageSize, PageSource::Access::kReadWrite));
  ASSERT_NE(start, nullptr);
  memset(start, 1, kPageSize);
  // Not mlock, which does nothing under a sanitizer.
  if (syscall(SYS_mlock, start, kPageSize) != 0) {
    GTEST_SKIP() << "no page may be locked";
  }
  errno = 77;
  EXPECT_FALSE(pages.Purge(start, kPageSize));
  EXPECT_EQ(errno, 77);
  for (size_t i = 0; i < kPageSize; ++i) ASSERT_EQ(start[i], 1);
  EXPECT_TRUE(pages.Release(start, kPageSize));
}

size_t ResidentPages(char* start, size_t bytes) {
  std::vector<unsigned char> pages(bytes / kPageSize);
  EXPECT_EQ(mincore(start, bytes, pages.data()), 0);
  size_t resident = 0;
  for (const unsigned char page : pages) resident += page & 1;
  return resident;
}

// Whether the system knows an advice, asked without the page source: what that
// can't do is no reason to skip a test of it.
bool Knows(int advice, size_t bytes) {
  void* start = mmap(nullptr, 2 * bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return false;
  auto* aligned = reinterpret_cast<char*>(
      AlignUp(reinterpret_cast<uintptr_t>(start), bytes));
  aligned[0] = 1;
  const bool knows = madvise(aligned, bytes, advice) == 0;
  munmap(start, 2 * bytes);
  return knows;
}
constexpr int kPopulateWrite = 23;
constexpr int kCollapse = 25;
constexpr int kGuardInstall = 102;

// And whether it tells of a page if it was touched.
bool TellsOfPages() {
  const int file = open("/proc/self/pagemap", O_RDONLY);
  uint64_t entry = 0;
  const off_t at = static_cast<off_t>(reinterpret_cast<uintptr_t>(&entry) /
                                      kPageSize * sizeof(entry));
  const bool tells = file >= 0 && pread(file, &entry, sizeof(entry), at) ==
                                      ssize_t{sizeof(entry)};
  close(file);
  return tells && entry >> 62 != 0;
}

// Locked pages get no guard either, and those before them lose theirs again.
TEST(MmapPageSourceTest, BesideLockedPagesThereAreNoGuards) {
  constexpr size_t kBytes = 4 * kPageSize;
  if (!Knows(kGuardInstall, kBytes)) GTEST_SKIP() << "there are no guards";
  MmapPageSource pages;
  auto* start = static_cast<char*>(
      pages.Reserve(kBytes, kPageSize, PageSource::Access::kReadWrite));
  ASSERT_NE(start, nullptr);
  char* locked = start + 2 * kPageSize;
  if (syscall(SYS_mlock, locked, kPageSize) != 0) {
    GTEST_SKIP() << "no page may be locked";
  }
  *locked = 1;
  EXPECT_FALSE(pages.Guard(start, kBytes));
  const int zeros = open("/dev/zero", O_RDONLY);
  for (size_t i = 0; i < kBytes; i += kPageSize) {
    EXPECT_EQ(read(zeros, start + i, 1), 1) << i;  // no fault
  }
  close(zeros);
  EXPECT_TRUE(pages.Release(start, kBytes));
}

TEST(MmapPageSourceTest, PopulatedPagesAreResident) {
  constexpr size_t kBytes = 16 * kPageSize;
  MmapPageSource pages;
  auto* start = static_cast<char*>(
      pages.Reserve(kBytes, kPageSize, PageSource::Access::kReadWrite));
  ASSERT_NE(start, nullptr);
  EXPECT_EQ(ResidentPages(start, kBytes), 0U);
  errno = 77;
  pages.Populate(start, kBytes / 2);
  EXPECT_EQ(errno, 77);
  const size_t resident = ResidentPages(start, kBytes);
  EXPECT_TRUE(pages.Release(start, kBytes));
  if (!Knows(kPopulateWrite, kPageSize)) {
    GTEST_SKIP() << "a system before Linux 5.14";
  }
  EXPECT_EQ(resident, 8U);
}

TEST(MmapPageSourceTest, WhatMovesStaysWhereItWasInItsPageTable) {
  constexpr size_t kTable = size_t{2} << 20;
  MmapPageSource pages;
  for (const size_t offset : {size_t{0}, 3 * kPageSize}) {
    char* both = static_cast<char*>(
        pages.Reserve(4 * kTable, kTable, PageSource::Access::kReadWrite));
    ASSERT_NE(both, nullptr);
    // Its neighbour is in its way.
    char* start = both + offset;
    start[2 * kTable - 1] = 7;
    char* moved =
        static_cast<char*>(pages.Remap(start, 2 * kTable, 3 * kTable));
    ASSERT_NE(moved, nullptr);
    EXPECT_NE(moved, start);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(moved) % kTable, offset);
    EXPECT_EQ(moved[2 * kTable - 1], 7);
    moved[3 * kTable - 1] = 8;
    EXPECT_TRUE(pages.Release(moved, 3 * kTable));
    EXPECT_TRUE(pages.Release(both + offset + 2 * kTable, 2 * kTable - offset));
    if (offset != 0) {
      EXPECT_TRUE(pages.Release(both, offset));
    }
  }
}

// Where there are no addresses, what lies at those that the size makes is left
// alone.
void FailWithoutAddresses() {
  constexpr size_t kBytes = size_t{256} << 20;
  constexpr size_t kTable = size_t{2} << 20;
  MmapPageSource pages;
  void* start = pages.Reserve(kTable, kTable, PageSource::Access::kReadWrite);
  void* at = reinterpret_cast<void*>(kBytes);
  const bool is_there =
      mmap(at, kPageSize, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == at;
  const rlimit limit = {kBytes, kBytes};
  setrlimit(RLIMIT_AS, &limit);
  const bool is_refused =
      pages.Reserve(kBytes, kTable, PageSource::Access::kNone) == nullptr &&
      pages.Remap(start, kTable, kBytes) == nullptr;
  _exit(is_refused && (!is_there || msync(at, kPageSize, MS_ASYNC) == 0) ? 0
                                                                         : 1);
}

TEST(MmapPageSourceTest, WhatIsRefusedTouchesNothing) {
  EXPECT_EXIT(FailWithoutAddresses(), ::testing::ExitedWithCode(0), "");
}

// The line VmFlags of the mapping that begins at `start`, with a space behind
// each flag.
std::string FlagsOf(const char* start) {
  std::ostringstream begin;
  begin << std::hex << reinterpret_cast<uintptr_t>(start) << '-';
  std::ifstream file("/proc/self/smaps");
  bool is_it = false;
  for (std::string line; std::getline(file, line);) {
    if (line.find("kB") == std::string::npos && line.find('-') < 20) {
      is_it = line.rfind(begin.str(), 0) == 0;
    } else if (is_it && line.rfind("VmFlags:", 0) == 0) {
      return line;
    }
  }
  return "";
}

size_t AddressSpaceBytes() {
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * kPageSize;
}

bool IsMapped(char* page) { return msync(page, kPageSize, MS_ASYNC) == 0; }

// By a system that promises no more memory than it has: addresses are none.
TEST(MmapPageSourceTest, AddressesAreNotCountedAsMemory) {
  int policy = 2;
  std::ifstream("/proc/sys/vm/overcommit_memory") >> policy;
  MmapPageSource pages;
  auto* none = static_cast<char*>(
      pages.Reserve(4 * kPageSize, kPageSize, PageSource::Access::kNone));
  ASSERT_NE(none, nullptr);
  auto* usable = static_cast<char*>(pages.Reserve(
      size_t{64} << 20, size_t{8} << 20, PageSource::Access::kReadWrite));
  ASSERT_NE(usable, nullptr);
  const std::string flags = FlagsOf(none);
  EXPECT_EQ(FlagsOf(usable).find(" nr "), std::string::npos);
  EXPECT_TRUE(pages.Release(none, 4 * kPageSize));
  EXPECT_TRUE(pages.Release(usable, size_t{64} << 20));
  if (flags.empty() || policy == 2) GTEST_SKIP() << "it can't be seen here";
  EXPECT_NE(flags.find(" nr "), std::string::npos) << flags;
}

void LimitAddressesTo(size_t limit) {
  const rlimit both = {limit, limit};
  setrlimit(RLIMIT_AS, &both);
  const size_t bytes = MmapPageSource().ReservationLimit();
  _exit(bytes == MmapPageSource::kMaxReservation ? 0 : 1);
}

TEST(MmapPageSourceTest, ALargeLimitLeavesTheLargestReservation) {
  for (const size_t times : {16, 64}) {
    EXPECT_EXIT(LimitAddressesTo(MmapPageSource::kMaxReservation * times),
                ::testing::ExitedWithCode(0), "");
  }
}

TEST(MmapPageSourceTest, AdviceAboutHugePagesIsTakenEitherWay) {
  constexpr size_t kBytes = size_t{4} << 20;
  MmapPageSource pages;
  auto* start = static_cast<char*>(
      pages.Reserve(kBytes, kBytes, PageSource::Access::kReadWrite));
  ASSERT_NE(start, nullptr);
  errno = 77;
  pages.AdviseHugePages(start, kBytes, true);
  const std::string wanted = FlagsOf(start);
  pages.AdviseHugePages(start, kBytes, false);
  const std::string unwanted = FlagsOf(start);
  EXPECT_EQ(errno, 77);
  EXPECT_TRUE(pages.Release(start, kBytes));
  if (wanted.find(" hg") == std::string::npos &&
      unwanted.find(" nh") == std::string::npos) {
    GTEST_SKIP() << "a kernel without huge pages, or it can't be seen here";
  }
  EXPECT_NE(wanted.find(" hg"), std::string::npos) << wanted;
  EXPECT_EQ(wanted.find(" nh"), std::string::npos) << wanted;
  EXPECT_NE(unwanted.find(" nh"), std::string::npos) << unwanted;
  EXPECT_EQ(unwanted.find(" hg"), std::string::npos) << unwanted;
}

// Unless they are turned off, or the machine has none at hand: then they are
// small ones.
TEST(MmapPageSourceTest, AHugePageIsPutInPlaceAtOnce) {
  constexpr size_t kBytes = size_t{2} << 20;
  constexpr uint64_t kMostUs = kBytes / kPageSize * 2;
  MmapPageSource pages;
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string enabled;
  std::getline(file, enabled);
  const bool are_on =
      !enabled.empty() && enabled.find("[never]") == std::string::npos;
  int could = 0;
  int did = 0;
  for (int i = 0; i < 20; ++i) {
    const uint64_t before = ExactUs();
    could += Knows(kCollapse, kBytes) && ExactUs() - before < kMostUs ? 1 : 0;
    auto* start = static_cast<char*>(
        pages.Reserve(kBytes, kBytes, PageSource::Access::kReadWrite));
    ASSERT_NE(start, nullptr);
    errno = 77;
    const bool is_huge = pages.PopulateHuge(start, kBytes);
    EXPECT_EQ(errno, 77);
    if (is_huge) {
      ++did;
      EXPECT_EQ(ResidentPages(start, kBytes), kBytes / kPageSize);
    }
    start[kBytes - 1] = 1;
    EXPECT_TRUE(pages.Release(start, kBytes));
  }
  if (!are_on) {
    EXPECT_EQ(did, 0);
  } else if (could < 10) {
    GTEST_SKIP() << "the system has none that fast: " << could;
  } else {
    EXPECT_GT(did, 0);
  }
}

// A range that no huge page fills, or that is not there.
TEST(MmapPageSourceTest, WhatHugePagesCannotServeIsTold) {
  constexpr size_t kBytes = size_t{2} << 20;
  MmapPageSource pages;
  auto* start = static_cast<char*>(
      pages.Reserve(kBytes, kBytes, PageSource::Access::kReadWrite));
  ASSERT_NE(start, nullptr);
  EXPECT_FALSE(pages.PopulateHuge(start + kPageSize, kBytes / 2));
  EXPECT_TRUE(pages.Release(start, kBytes));
  EXPECT_FALSE(pages.PopulateHuge(start, kBytes));
}

TEST(MmapPageSourceTest, GuardedPagesFaultAndAreZeroAfterwards) {
  constexpr size_t kBytes = 8 * kPageSize;
  MmapPageSource pages;
  auto* start = static_cast<char*>(
      pages.Reserve(kBytes, kPageSize, PageSource::Access::kReadWrite));
  ASSERT_NE(start, nullptr);
  memset(start, 1, kBytes);
  errno = 77;
  const bool can = pages.Guard(start + kPageSize, 2 * kPageSize);
  EXPECT_EQ(errno, 77);
  if (can) {
    EXPECT_DEATH(start[kPageSize] = 2, "");
    EXPECT_DEATH(start[3 * kPageSize - 1] = 2, "");
    start[kPageSize - 1] = start[3 * kPageSize] = 2;
    // One mapping still.
    EXPECT_TRUE(pages.Unguard(start + kPageSize, 2 * kPageSize));
    EXPECT_EQ(errno, 77);
    for (size_t i = kPageSize; i < 3 * kPageSize; ++i) ASSERT_EQ(start[i], 0);
    start[kPageSize] = 2;
  }
  EXPECT_TRUE(pages.Release(start, kBytes));
  EXPECT_FALSE(pages.Guard(start, kBytes));
  EXPECT_FALSE(pages.Unguard(start, kBytes));
  if (!can && !Knows(kGuardInstall, kPageSize)) {
    GTEST_SKIP() << "a system before Linux 6.13";
  }
  EXPECT_TRUE(can);
}

TEST(MmapPageSourceTest, APageIsKnownToBeUntouched) {
  constexpr size_t kBytes = 4 * kPageSize;
  MmapPageSource pages;
  auto* start = static_cast<char*>(
      pages.Reserve(kBytes, kPageSize, PageSource::Access::kReadWrite));
  ASSERT_NE(start, nullptr);
  if (!TellsOfPages()) {
    EXPECT_TRUE(pages.Release(start, kBytes));
    GTEST_SKIP() << "the system does not tell";
  }
  const int unused = dup(STDIN_FILENO);
  close(unused);
  errno = 77;
  start[2 * kPageSize - 1] = 1;
  EXPECT_FALSE(pages.MayBeResident(start));
  EXPECT_TRUE(pages.MayBeResident(start + kPageSize));
  EXPECT_FALSE(pages.MayBeResident(start + 2 * kPageSize));
  EXPECT_TRUE(pages.Purge(start + kPageSize, kPageSize));
  EXPECT_FALSE(pages.MayBeResident(start + kPageSize));
  EXPECT_EQ(errno, 77);
  // No file stays open.
  const int next = dup(STDIN_FILENO);
  EXPECT_EQ(next, unused);
  close(next);
  EXPECT_TRUE(pages.Release(start, kBytes));
}

void OpenNoMoreFiles() {
  MmapPageSource pages;
  void* start =
      pages.Reserve(kPageSize, kPageSize, PageSource::Access::kReadWrite);
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_NOFILE, &none);
  _exit(pages.MayBeResident(start) ? 0 : 1);
}

TEST(MmapPageSourceTest, WhereNothingIsToldAPageMayBeResident) {
  EXPECT_EXIT(OpenNoMoreFiles(), ::testing::ExitedWithCode(0), "");
}

TEST(MmapPageSourceTest, WhatIsMovedTakesItsTargetsPlace) {
  constexpr size_t kBytes = 4 * kPageSize;
  MmapPageSource pages;
  auto* from = static_cast<char*>(
      pages.Reserve(kBytes, kPageSize, PageSource::Access::kReadWrite));
  auto* to = static_cast<char*>(
      pages.Reserve(2 * kBytes, kPageSize, PageSource::Access::kReadWrite));
  ASSERT_TRUE(from != nullptr && to != nullptr);
  memset(from, 1, kBytes);
  memset(to, 2, 2 * kBytes);
  errno = 77;
  ASSERT_TRUE(pages.Move(from, kBytes, to + kPageSize));
  EXPECT_EQ(errno, 77);
  EXPECT_FALSE(IsMapped(from));
  for (size_t i = 0; i < 2 * kBytes; ++i) {
    const bool is_moved = i >= kPageSize && i < kPageSize + kBytes;
    ASSERT_EQ(to[i], is_moved ? 1 : 2) << i;
  }
  errno = 77;
  EXPECT_FALSE(pages.Move(from, kBytes, to));
  EXPECT_EQ(errno, 77);
  EXPECT_TRUE(pages.Release(to, 2 * kBytes));
}

// What needs no other place stays, and moves leave no addresses behind.
TEST(MmapPageSourceTest, MovesAreNotNeededWhereThereIsRoomAndLeaveNothing) {
  constexpr size_t kTable = size_t{2} << 20;
  MmapPageSource pages;
  const auto reserve = [&pages] {
    return static_cast<char*>(
        pages.Reserve(8 * kTable, kTable, PageSource::Access::kReadWrite));
  };
  char* start = reserve();
  ASSERT_NE(start, nullptr);
  EXPECT_TRUE(pages.Release(start + 2 * kTable, 6 * kTable));
  EXPECT_EQ(pages.Remap(start, 2 * kTable, 4 * kTable), start);
  EXPECT_TRUE(pages.Release(start, 4 * kTable));
  // Of the size of a page table itself, too.
  const size_t before = AddressSpaceBytes();
  for (size_t page = 0; page < 512; page += 73) {
    const size_t offset = page * kPageSize;
    start = reserve();
    char* moved = static_cast<char*>(
        pages.Remap(start + offset, kTable, 3 * kTable + kPageSize));
    ASSERT_NE(moved, nullptr);
    EXPECT_NE(moved, start + offset);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(moved) % kTable, offset);
    EXPECT_TRUE(pages.Release(moved, 3 * kTable + kPageSize));
    EXPECT_TRUE(offset == 0 || pages.Release(start, offset));
    EXPECT_TRUE(pages.Release(start + offset + kTable, 7 * kTable - offset));
  }
  EXPECT_LT(AddressSpaceBytes(), before + kTable / 8);
}

}  // namespace
}  // namespace myonly::internal
