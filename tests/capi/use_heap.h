// A short use of malloc & co that works where nothing else may: before libc is
// ready, in handlers at exit, in a child of fork. It calls nothing but the
// malloc family, write and _exit.
#ifndef MYONLY_TESTS_CAPI_USE_HEAP_H_
#define MYONLY_TESTS_CAPI_USE_HEAP_H_

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <initializer_list>

namespace myonly::testing {

// What a program exits with if the heap failed it.
inline constexpr int kHeapFailed = 9;

// Writes `place` and a newline: the test expects a list of places.
inline void Reached(const char* place) {
  size_t length = 0;
  while (place[length] != '\0') ++length;
  if (write(STDOUT_FILENO, place, length) < 0 ||
      write(STDOUT_FILENO, "\n", 1) < 0) {
    _exit(kHeapFailed);
  }
}

// Volatile, so that no compiler makes a call of memset of it.
inline void FillBytes(volatile unsigned char* block, size_t size,
                      unsigned char value) {
  for (size_t i = 0; i < size; ++i) block[i] = value;
}

inline bool BytesAre(const volatile unsigned char* block, size_t size,
                     unsigned char value) {
  for (size_t i = 0; i < size; ++i) {
    if (block[i] != value) return false;
  }
  return true;
}

inline bool HeapWorks() {
  for (size_t size : {size_t{0}, size_t{1}, size_t{100}, size_t{5000},
                      size_t{200000}, size_t{20} << 20}) {
    auto* block = static_cast<unsigned char*>(malloc(size));
    auto* zeroed = static_cast<unsigned char*>(calloc(1, size));
    if (block == nullptr || zeroed == nullptr) return false;
    // Of the largest, which takes a while, the start only.
    const size_t checked = size < 10000 ? size : 10000;
    if (!BytesAre(zeroed, checked, 0)) return false;
    FillBytes(block, checked, 1);
    FillBytes(zeroed, checked, 2);
    block = static_cast<unsigned char*>(realloc(block, size * 2 + 10));
    if (block == nullptr || !BytesAre(block, checked, 1)) return false;
    if (!BytesAre(zeroed, checked, 2)) return false;
    free(block);
    free(zeroed);
  }
  void* aligned = aligned_alloc(4096, 4096);
  const bool good = reinterpret_cast<size_t>(aligned) % 4096 == 0;
  free(aligned);
  return good && aligned != nullptr;
}

// Uses the heap, then writes `place`.
inline void UseHeap(const char* place) {
  if (!HeapWorks()) _exit(kHeapFailed);
  Reached(place);
}

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_CAPI_USE_HEAP_H_
