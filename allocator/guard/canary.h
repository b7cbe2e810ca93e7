// What stands behind the payload of a block in the secure preset, and how long
// the payload is:
//
//   | payload, `size` bytes | pattern | hash : 40, slack : 16, pattern : 8 |
//   | <-------------------- the block's bytes ---------------------------> |
//
// `slack` are the bytes between the payload and the last word. The hash is
// keyed and depends on the address and the slack, so that it can be neither
// copied nor made up; the byte behind the payload is never 0, which strings end
// with. What is written behind the payload changes the pattern or
// the last word, and is seen when the block is freed, resized or asked for its
// size. Of the pattern the first kMostPattern bytes are written and looked at.
//
// Knows no thread: a block is one owner's.
#ifndef MYONLY_ALLOCATOR_GUARD_CANARY_H_
#define MYONLY_ALLOCATOR_GUARD_CANARY_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "allocator/base/guard_keys.h"
#include "allocator/base/peek.h"
#include "allocator/base/sizes.h"

namespace myonly::internal {

class Canary {
 public:
  // What a block must have more than its payload.
  static constexpr size_t kBytes = sizeof(uint64_t);
  static constexpr size_t kMostPattern = 32;
  // Payloads are shorter than their block by at most so much and kBytes.
  static constexpr size_t kMaxSlack = (size_t{1} << 16) - 1;

  // Of a block of `bytes` whose payload has `size`.
  static void Write(void* block, size_t bytes, size_t size) {
    char* start = static_cast<char*>(block);
    const size_t end = PatternEnd(bytes, size);
    // The last word may reach into the canary, which comes afterwards.
    for (size_t at = size; at < end; at += kBytes) {
      Store(start + at, guard_keys.pattern);
    }
    Store(start + bytes - kBytes, Word(block, bytes - kBytes - size));
  }

  // The length of the payload. False: something was written behind it.
  static bool Read(const void* block, size_t bytes, size_t* size) {
    const char* start = static_cast<const char*>(block);
    const uint64_t word = Load(start + bytes - kBytes);
    const size_t slack = word >> kSlackShift & kMaxSlack;
    if (slack > bytes - kBytes || word != Word(block, slack)) return false;
    *size = bytes - kBytes - slack;
    const size_t end = PatternEnd(bytes, *size);
    for (size_t at = *size; at < end; at += kBytes) {
      uint64_t wrong = Load(start + at) ^ guard_keys.pattern;
      if (end - at < kBytes) wrong <<= 64 - 8 * (end - at);
      if (wrong != 0) return false;
    }
    return true;
  }

  // The same for who looks at a block of others: what is said of its length,
  // whatever stands behind it.
  static size_t Peek(const void* block, size_t bytes) {
    const uint64_t word = internal::Peek(*reinterpret_cast<const uint64_t*>(
        static_cast<const char*>(block) + bytes - kBytes));
    const size_t slack = word >> kSlackShift & kMaxSlack;
    return word == Word(block, slack) && slack <= bytes - kBytes
               ? bytes - kBytes - slack
               : bytes - kBytes;
  }

 private:
  static constexpr int kSlackShift = 8;
  static constexpr int kHashShift = 24;

  static size_t PatternEnd(size_t bytes, size_t size) {
    return Min(bytes - kBytes, size + kMostPattern);
  }
  static uint64_t Word(const void* block, size_t slack) {
    const auto product =
        static_cast<unsigned __int128>(reinterpret_cast<uintptr_t>(block) ^
                                       guard_keys.place) *
        ((slack << 32) ^ guard_keys.length);
    const auto hash =
        static_cast<uint64_t>(product >> 64) ^ static_cast<uint64_t>(product);
    return hash << kHashShift | slack << kSlackShift |
           (guard_keys.pattern & 0xff);
  }
  static void Store(char* place, uint64_t word) {
    memcpy(place, &word, sizeof(word));
  }
  static uint64_t Load(const char* place) {
    uint64_t word;
    memcpy(&word, place, sizeof(word));
    return word;
  }
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_GUARD_CANARY_H_
