// Clearing what is freed, and whether it still is cleared.
#ifndef MYONLY_ALLOCATOR_GUARD_ZEROS_H_
#define MYONLY_ALLOCATOR_GUARD_ZEROS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace myonly::internal {

// As memset with 0, without the call where that would take as long as the rest.
// `start` is a multiple of 16, `bytes` one of 8.
inline void Clear(void* start, size_t bytes) {
  constexpr size_t kMostInline = 256;
  typedef uint64_t Pair __attribute__((vector_size(16), may_alias));
  if (bytes > kMostInline || bytes % sizeof(Pair) != 0) {
    memset(start, 0, bytes);
    return;
  }
  auto* at = static_cast<Pair*>(start);
  for (auto* end = at + bytes / sizeof(Pair); at != end; ++at) {
    *at = Pair{0, 0};
    // Compilers would make it one instruction, which takes longer to begin than
    // most blocks to clear.
    asm("" : "+r"(at));
  }
}

// [start, start + bytes) has only zeros. `start` is a multiple of 16, `bytes`
// one of 8.
inline bool IsZero(const void* start, size_t bytes) {
  typedef uint64_t Pair __attribute__((vector_size(16), may_alias));
  const char* at = static_cast<const char*>(start);
  const char* end = at + bytes / 16 * 16;
  Pair any = {0, 0};
  for (; end - at >= 64; at += 64) {
    const Pair* pairs = reinterpret_cast<const Pair*>(at);
    any |= (pairs[0] | pairs[1]) | (pairs[2] | pairs[3]);
  }
  for (; at != end; at += 16) any |= *reinterpret_cast<const Pair*>(at);
  uint64_t last = any[0] | any[1];
  if (bytes % 16 != 0) {
    typedef uint64_t Word __attribute__((may_alias));
    last |= *reinterpret_cast<const Word*>(at);
  }
  return last == 0;
}

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_GUARD_ZEROS_H_
