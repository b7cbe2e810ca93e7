#include "tests/arena/ground.h"

#include <stdlib.h>

#include <algorithm>
#include <cstring>

#include "allocator/arena/sub_heap.h"
#include "allocator/pages/slice.h"
#include "allocator/slabs/size_class.h"
#include "allocator/slabs/slab.h"

namespace myonly::internal {
namespace {

// Differs between tags and between neighbouring words of one tag.
uint64_t Word(uint32_t tag, size_t index) {
  return (uint64_t{tag} << 32 ^ index) * 0x9e3779b97f4a7c15 | 1;
}

Arena* OwnerOfRun(const Slice* run) { return static_cast<Arena*>(run->owner); }

bool IsShared(const Slice* run) {
  return run->kind == RunKind::kSlab || run->kind == RunKind::kSubHeapRegion;
}

SubHeap* ShareOfRun(const Slice* run) {
  return static_cast<SubHeap*>(run->owner);
}

Arena* OwnerOfMapping(const HugeMapping* mapping) {
  return static_cast<Arena*>(mapping->owner);
}

}  // namespace

Arena* Ground::OwnerOf(void* ptr) {
  if (const Slice* slice = runs_.Find(ptr)) {
    if (runs_.FindRun(slice) == nullptr) return nullptr;
    return IsShared(slice) ? &ShareOfRun(slice)->arena() : OwnerOfRun(slice);
  }
  const HugeMapping* mapping = huge_.Find(ptr);
  return mapping == nullptr ? nullptr : OwnerOfMapping(mapping);
}

bool Ground::IsOfShare(void* ptr) {
  const Slice* slice = runs_.Find(ptr);
  return slice != nullptr && IsShared(slice);
}

void Ground::Free(void* ptr) {
  Slice* slice = runs_.Find(ptr);
  if (slice == nullptr) {
    HugeMapping* mapping = huge_.Find(ptr);
    OwnerOfMapping(mapping)->FreeHuge(mapping, ptr);
  } else if (slice->kind == RunKind::kSlab) {
    const uintptr_t token = ShareOfRun(slice)->token();
    if (Slab::TokenAt(slice, ptr) != token) abort();
    if (Slab::FreeObject(slice, ptr, token)) {
      ShareOfRun(slice)->Attend(slice, /*has_work=*/false);
    }
  } else if (slice->kind == RunKind::kSubHeapRegion) {
    SubHeap* share = ShareOfRun(slice);
    if (!share->FreeBlockQuick(ptr)) share->FreeBlock(slice, ptr);
  } else if (slice->kind == RunKind::kRegion) {
    OwnerOfRun(slice)->FreeBlock(slice, ptr);
  } else {
    OwnerOfRun(slice)->FreeLarge(runs_.FindRun(slice), ptr);
  }
}

size_t Ground::UsableSize(void* ptr) {
  const Slice* slice = runs_.Find(ptr);
  if (slice == nullptr) return Arena::UsableHuge(huge_.Find(ptr), ptr);
  if (slice->kind == RunKind::kSlab) {
    return ObjectBytes(slice->slab.size_class);
  }
  if (slice->kind == RunKind::kSubHeapRegion) {
    return ShareOfRun(slice)->UsableBlock(slice, ptr);
  }
  if (slice->kind == RunKind::kRegion) {
    return OwnerOfRun(slice)->UsableBlock(slice, ptr);
  }
  return OwnerOfRun(slice)->UsableLarge(runs_.FindRun(slice), ptr);
}

bool Ground::Resize(void** ptr, size_t size, bool may_move) {
  Slice* slice = runs_.Find(*ptr);
  if (slice == nullptr) {
    HugeMapping* mapping = huge_.Find(*ptr);
    return OwnerOfMapping(mapping)->ResizeHuge(mapping, ptr, size, may_move);
  }
  if (slice->kind == RunKind::kRegion) {
    return OwnerOfRun(slice)->ResizeBlock(slice, *ptr, size);
  }
  return OwnerOfRun(slice)->ResizeLarge(runs_.FindRun(slice), *ptr, size);
}

void* Ground::Reallocate(void* ptr, size_t size, Status* status) {
  if (Resize(&ptr, size, /*may_move=*/true)) return ptr;
  void* moved = OwnerOf(ptr)->Allocate(size, status);
  if (moved == nullptr) return nullptr;
  memcpy(moved, ptr, std::min(size, UsableSize(ptr)));
  Free(ptr);
  return moved;
}

bool Ground::Check(Arena& arena) {
  runs_.CheckInvariants();
  huge_.CheckInvariants();
  BrokenInvariant broken;
  return arena.CheckInvariants(Arena::LookAtAll, &broken);
}

void Fill(void* ptr, size_t bytes, uint32_t tag) {
  char* next = static_cast<char*>(ptr);
  for (size_t i = 0; bytes != 0; ++i) {
    const uint64_t word = Word(tag, i);
    const size_t part = std::min(bytes, sizeof(word));
    memcpy(next, &word, part);
    next += part;
    bytes -= part;
  }
}

bool IsFilled(const void* ptr, size_t bytes, uint32_t tag) {
  const char* next = static_cast<const char*>(ptr);
  for (size_t i = 0; bytes != 0; ++i) {
    const uint64_t word = Word(tag, i);
    const size_t part = std::min(bytes, sizeof(word));
    if (memcmp(next, &word, part) != 0) return false;
    next += part;
    bytes -= part;
  }
  return true;
}

bool IsZero(const void* ptr, size_t bytes) {
  const char* first = static_cast<const char*>(ptr);
  return bytes == 0 ||
         (*first == 0 && memcmp(first, first + 1, bytes - 1) == 0);
}

}  // namespace myonly::internal
