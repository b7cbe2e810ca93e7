#include "tests/model/shadow_heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <iterator>

#include "tests/model/choices.h"

namespace myonly::testing {
namespace {

constexpr size_t kChunkBytes = 4096;
constexpr size_t kOffsets = 1024;
constexpr size_t kEndBytes = 512;
constexpr size_t kSampleBytes = 64;
constexpr size_t kSamples = 7;

// Random bytes: a pattern is a window of them, and the windows of different
// tags differ in every chunk.
const char* PatternBytes() {
  static const char* const bytes = [] {
    static char table[kChunkBytes + kOffsets];
    RandomChoices random(1);
    for (char& byte : table) byte = static_cast<char>(random.Below(256));
    return table;
  }();
  return bytes;
}

const char* Pattern(uint32_t tag, size_t chunk) {
  return PatternBytes() + (tag * size_t{7} + chunk * 13) % kOffsets;
}

// Calls `visit(at, pattern, bytes)` for [from, to) of the block, cut at chunks.
// Stops at the first false and returns it.
template <typename Visit>
bool VisitRange(const ShadowBlock& block, size_t from, size_t to, Visit visit) {
  while (from < to) {
    const size_t chunk = from / kChunkBytes;
    const size_t in_chunk = from % kChunkBytes;
    const size_t bytes = std::min(to - from, kChunkBytes - in_chunk);
    if (!visit(block.start + from, Pattern(block.tag, chunk) + in_chunk,
               bytes)) {
      return false;
    }
    from += bytes;
  }
  return true;
}

// As VisitRange for the parts of the block that are looked at, up to `limit`.
template <typename Visit>
bool VisitParts(const ShadowBlock& block, size_t limit, Visit visit) {
  if (block.bytes <= ShadowHeap::kWholeBytes) {
    return VisitRange(block, 0, limit, visit);
  }
  const auto clipped = [&](size_t from, size_t bytes) {
    return VisitRange(block, from, std::min(from + bytes, limit), visit);
  };
  if (!clipped(0, kEndBytes)) return false;
  for (size_t i = 1; i <= kSamples; ++i) {
    if (!clipped(block.bytes / (kSamples + 1) * i, kSampleBytes)) return false;
  }
  return clipped(block.bytes - kEndBytes, kEndBytes);
}

bool IsPattern(const ShadowBlock& block, size_t limit) {
  return VisitParts(block, limit,
                    [](const char* at, const char* pattern, size_t bytes) {
                      return memcmp(at, pattern, bytes) == 0;
                    });
}

bool IsZero(const ShadowBlock& block, size_t limit) {
  return VisitParts(block, limit,
                    [](const char* at, const char*, size_t bytes) {
                      return at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0;
                    });
}

void Fill(const ShadowBlock& block) {
  VisitParts(block, block.bytes,
             [](char* at, const char* pattern, size_t bytes) {
               memcpy(at, pattern, bytes);
               return true;
             });
}

}  // namespace

ShadowHeap::ShadowHeap() { PatternBytes(); }

void ShadowHeap::Add(void* start, size_t bytes, size_t alignment,
                     uint32_t owner, size_t zeroed) {
  const ShadowBlock block = {static_cast<char*>(start), bytes, owner,
                             next_tag_++};
  if (reinterpret_cast<uintptr_t>(start) % alignment != 0) {
    ModelFailed("a block is misaligned", start, bytes);
  }
  Insert(block);
  if (!IsZero(block, zeroed)) {
    ModelFailed("a zeroed block is not zero", start, bytes);
  }
  Fill(block);
  blocks_.push_back(block);
}

void ShadowHeap::Remove(size_t index) {
  CheckContents(index);
  Erase(blocks_[index]);
  blocks_[index] = blocks_.back();
  blocks_.pop_back();
}

void ShadowHeap::Resize(size_t index, void* start, size_t bytes, size_t kept) {
  ShadowBlock& block = blocks_[index];
  Erase(block);
  // The old parts, at the new place: what is looked at depends on the old size.
  ShadowBlock old = block;
  old.start = static_cast<char*>(start);
  if (!IsPattern(old, std::min(kept, old.bytes))) {
    ModelFailed("a resized block lost its contents", start, bytes);
  }
  block = {old.start, bytes, old.owner, next_tag_++};
  Insert(block);
  Fill(block);
}

void ShadowHeap::CheckContents(size_t index) const {
  const ShadowBlock& block = blocks_[index];
  if (!IsPattern(block, block.bytes)) {
    ModelFailed("a block lost its contents", block.start, block.bytes);
  }
}

void ShadowHeap::Insert(const ShadowBlock& block) {
  const auto start = reinterpret_cast<uintptr_t>(block.start);
  const uintptr_t end = start + block.bytes;
  const auto next = ends_.lower_bound(start);
  const bool hits_next = next != ends_.end() && next->first < end;
  const bool hits_previous =
      next != ends_.begin() && std::prev(next)->second > start;
  // Two blocks of no bytes can't share an address either.
  const bool same = next != ends_.end() && next->first == start;
  if (hits_next || hits_previous || same) {
    ModelFailed("a block overlaps a live one", block.start, block.bytes);
  }
  ends_.emplace_hint(next, start, end);
  live_bytes_ += block.bytes;
}

void ShadowHeap::Erase(const ShadowBlock& block) {
  ends_.erase(reinterpret_cast<uintptr_t>(block.start));
  live_bytes_ -= block.bytes;
}

void ModelFailed(const char* message, const void* address, size_t bytes) {
  fprintf(stderr, "model: %s: %zu bytes at %p\n", message, bytes, address);
  abort();
}

}  // namespace myonly::testing
