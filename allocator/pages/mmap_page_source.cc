#include "allocator/pages/mmap_page_source.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cstdint>

#include "allocator/base/sizes.h"
#include "allocator/base/system_call.h"

namespace myonly::internal {
namespace {

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
  const long result = SystemCall(SystemCallNumber::kMremap, Bits(start),
                                 old_bytes, new_bytes, MREMAP_MAYMOVE);
  return SystemCallFailed(result) ? nullptr : reinterpret_cast<void*>(result);
}

bool MmapPageSource::Move(void* start, size_t bytes, void* target) {
  return !SystemCallFailed(
      SystemCall(SystemCallNumber::kMremap, Bits(start), bytes, bytes,
                 MREMAP_MAYMOVE | MREMAP_FIXED, Bits(target)));
}

// Since Linux 6.13.
bool MmapPageSource::Guard(void* start, size_t bytes) {
  constexpr unsigned long kGuardInstall = 102;
  return !SystemCallFailed(SystemCall(SystemCallNumber::kMadvise, Bits(start),
                                      bytes, kGuardInstall));
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
  rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  SystemCall(SystemCallNumber::kPrlimit, 0, RLIMIT_AS, 0,
             reinterpret_cast<unsigned long>(&limit));
  if (limit.rlim_cur == RLIM_INFINITY) return kMaxReservation;
  // Most of a limit stays for stacks, libraries and other mappings.
  return Min(kMaxReservation, static_cast<size_t>(limit.rlim_cur / 16));
}

}  // namespace myonly::internal
