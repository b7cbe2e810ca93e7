#include "allocator/pages/mmap_page_source.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstring>

#include "allocator/base/clock.h"
#include "allocator/base/sizes.h"
#include "allocator/base/system_call.h"

namespace myonly::internal {
namespace {

// A fault of 4 KiB, with a guest's share of it.
constexpr uint64_t kFaultUs = 2;

unsigned long Bits(const void* address) {
  return reinterpret_cast<unsigned long>(address);
}

void* Map(size_t bytes, PageSource::Access access) {
  const int protection =
      access == PageSource::Access::kNone ? PROT_NONE : PROT_READ | PROT_WRITE;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS |
                    (access == PageSource::Access::kNone ? MAP_NORESERVE : 0);
  const long result = SystemCall(SystemCallNumber::kMmap, 0, bytes,
                                 static_cast<unsigned long>(protection),
                                 static_cast<unsigned long>(flags), ~0UL, 0);
  return SystemCallFailed(result) ? nullptr : reinterpret_cast<void*>(result);
}

bool Unmap(uintptr_t start, size_t bytes) {
  return bytes == 0 ||
         !SystemCallFailed(SystemCall(SystemCallNumber::kMunmap, start, bytes));
}

void* Mremap(void* start, size_t old_bytes, size_t new_bytes, int flags,
             void* target) {
  const long result =
      SystemCall(SystemCallNumber::kMremap, Bits(start), old_bytes, new_bytes,
                 static_cast<unsigned long>(flags), Bits(target));
  return SystemCallFailed(result) ? nullptr : reinterpret_cast<void*>(result);
}

// What one page table maps. Pages that move by a multiple of it keep theirs:
// 512 entries are one, and need not be looked up anew.
constexpr size_t kPageTableBytes = size_t{2} << 20;

// Addresses for `bytes` that lie in their page table as `start` does.
void* ReserveAsPlaced(const void* start, size_t bytes) {
  if (bytes > kMaxRequest - kPageTableBytes) return nullptr;
  void* mapping = Map(bytes + kPageTableBytes, PageSource::Access::kNone);
  if (mapping == nullptr) return nullptr;
  const uintptr_t first = Bits(mapping);
  const size_t before = (Bits(start) - first) % kPageTableBytes;
  Unmap(first, before);
  Unmap(first + before + bytes, kPageTableBytes - before);
  return reinterpret_cast<void*>(first + before);
}

// How many bytes it read, or an error.
long ReadFile(const char* path, unsigned long offset, void* bytes,
              size_t count) {
  const long file = SystemCall(SystemCallNumber::kOpenAt,
                               static_cast<unsigned long>(AT_FDCWD), Bits(path),
                               O_RDONLY | O_CLOEXEC);
  if (SystemCallFailed(file)) return file;
  const auto open_file = static_cast<unsigned long>(file);
  const long read = SystemCall(SystemCallNumber::kPRead, open_file, Bits(bytes),
                               count, offset);
  SystemCall(SystemCallNumber::kClose, open_file);
  return read;
}

bool HasHugePages() {
  char text[64];
  const long bytes = ReadFile("/sys/kernel/mm/transparent_hugepage/enabled", 0,
                              text, sizeof(text));
  constexpr char kNever[] = "[never]";
  constexpr size_t kLength = sizeof(kNever) - 1;
  for (long i = 0; i + static_cast<long>(kLength) <= bytes; ++i) {
    if (memcmp(text + i, kNever, kLength) == 0) return false;
  }
  return !SystemCallFailed(bytes);
}

bool Protect(void* start, size_t bytes, int protection) {
  return !SystemCallFailed(SystemCall(SystemCallNumber::kMprotect, Bits(start),
                                      bytes,
                                      static_cast<unsigned long>(protection)));
}

}  // namespace

void* MmapPageSource::Reserve(size_t bytes, size_t alignment, Access access) {
  if (alignment <= kPageSize) return Map(bytes, access);
  const size_t slack = alignment - kPageSize;
  if (bytes > kMaxRequest - slack) return nullptr;
  void* mapping = Map(bytes + slack, access);
  if (mapping == nullptr) return nullptr;
  const uintptr_t start = reinterpret_cast<uintptr_t>(mapping);
  const uintptr_t aligned = AlignUp(start, alignment);
  // A failure leaves a few unused addresses mapped: harmless.
  Unmap(start, aligned - start);
  Unmap(aligned + bytes, slack - (aligned - start));
  return reinterpret_cast<void*>(aligned);
}

bool MmapPageSource::Commit(void* start, size_t bytes) {
  return Protect(start, bytes, PROT_READ | PROT_WRITE);
}

bool MmapPageSource::Decommit(void* start, size_t bytes) {
  return Protect(start, bytes, PROT_NONE) && Purge(start, bytes);
}

bool MmapPageSource::Purge(void* start, size_t bytes) {
  // Not MADV_FREE: resident memory must drop now, and reads must give zeros.
  return !SystemCallFailed(SystemCall(SystemCallNumber::kMadvise, Bits(start),
                                      bytes, MADV_DONTNEED));
}

bool MmapPageSource::Release(void* start, size_t bytes) {
  return Unmap(Bits(start), bytes);
}

void* MmapPageSource::Remap(void* start, size_t old_bytes, size_t new_bytes) {
  void* target = nullptr;
  if (old_bytes >= kPageTableBytes) {
    void* moved = Mremap(start, old_bytes, new_bytes, 0, nullptr);
    if (moved != nullptr) return moved;
    target = ReserveAsPlaced(start, new_bytes);
  }
  if (target != nullptr) {
    void* moved = Mremap(start, old_bytes, new_bytes,
                         MREMAP_MAYMOVE | MREMAP_FIXED, target);
    // The system may have unmapped the target before it failed, and given it to
    // another thread: it must not be unmapped here.
    if (moved != nullptr) return moved;
  }
  return Mremap(start, old_bytes, new_bytes, MREMAP_MAYMOVE, nullptr);
}

bool MmapPageSource::Move(void* start, size_t bytes, void* target) {
  return !SystemCallFailed(
      SystemCall(SystemCallNumber::kMremap, Bits(start), bytes, bytes,
                 MREMAP_MAYMOVE | MREMAP_FIXED, Bits(target)));
}

// Since Linux 5.14. One call costs a tenth of the faults that it saves.
void MmapPageSource::Populate(void* start, size_t bytes) {
  constexpr unsigned long kPopulateWrite = 23;
  SystemCall(SystemCallNumber::kMadvise, Bits(start), bytes, kPopulateWrite);
}

// Since Linux 6.1: what is there is put together, and what is missing added.
// Other than MADV_HUGEPAGE it leaves no mark by which the system would fill
// later what has been purged. It ignores that they are turned off.
//
// A host that has given memory of a guest away, as long as that did not use it,
// takes milliseconds to find 2 MiB again; pages of 4 KiB the guest mostly finds
// among those that it has used.
bool MmapPageSource::PopulateHuge(void* start, size_t bytes) {
  constexpr unsigned long kCollapse = 25;
  if (!HasHugePages()) return false;
  const uint64_t begin = ExactUs();
  Populate(start, kPageSize);
  const bool ok = !SystemCallFailed(
      SystemCall(SystemCallNumber::kMadvise, Bits(start), bytes, kCollapse));
  return ok && ExactUs() - begin <= bytes / kPageSize * kFaultUs;
}

// Not by mincore: filters of system calls that services have (@system-service
// of systemd) end a process that calls it.
bool MmapPageSource::MayBeResident(const void* page) {
  uint64_t entry;
  const long bytes =
      ReadFile("/proc/self/pagemap", Bits(page) / kPageSize * sizeof(entry),
               &entry, sizeof(entry));
  constexpr uint64_t kPresentOrSwapped = uint64_t{3} << 62;
  return bytes != sizeof(entry) || (entry & kPresentOrSwapped) != 0;
}

// Since Linux 6.13. Locked pages have none: those before them lose theirs.
bool MmapPageSource::Guard(void* start, size_t bytes) {
  constexpr unsigned long kGuardInstall = 102;
  if (!SystemCallFailed(SystemCall(SystemCallNumber::kMadvise, Bits(start),
                                   bytes, kGuardInstall))) {
    return true;
  }
  Unguard(start, bytes);
  return false;
}

bool MmapPageSource::Unguard(void* start, size_t bytes) {
  constexpr unsigned long kGuardRemove = 103;
  return !SystemCallFailed(
      SystemCall(SystemCallNumber::kMadvise, Bits(start), bytes, kGuardRemove));
}

// A kernel without huge pages refuses it, and need not be asked.
void MmapPageSource::AdviseHugePages(void* start, size_t bytes, bool wanted) {
  SystemCall(SystemCallNumber::kMadvise, Bits(start), bytes,
             wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

size_t MmapPageSource::ReservationLimit() const {
  // Most of a limit stays for stacks, libraries and other mappings.
  return Min(kMaxReservation,
             static_cast<size_t>(LimitOf(RLIMIT_AS) / kReservationPart));
}

uint64_t MmapPageSource::LimitOf(int resource) {
  rlimit limit;
  limit.rlim_cur = RLIM_INFINITY;
  SystemCall(SystemCallNumber::kPrlimit, 0,
             static_cast<unsigned long>(resource), 0, Bits(&limit));
  return limit.rlim_cur;
}

}  // namespace myonly::internal
