// The functions of an allocator's arenas, found by name in its shared library.
#ifndef MYONLY_TOOLS_BENCH_ARENAS_HEAP_FUNCTIONS_H_
#define MYONLY_TOOLS_BENCH_ARENAS_HEAP_FUNCTIONS_H_

#include <cstddef>
#include <string>

namespace myonly::bench {

struct HeapFunctions {
  // The process's heap, of the same library.
  void* (*plain_alloc)(size_t size) = nullptr;
  void (*plain_free)(void* ptr) = nullptr;

  // An arena; it may be used by all threads. What is in it goes with it.
  void* (*create)() = nullptr;
  void (*destroy)(void* arena) = nullptr;
  void* (*alloc)(void* arena, size_t size) = nullptr;
  void (*free)(void* ptr) = nullptr;
  // Drops all objects; NULL: there is no such call.
  void (*reset)(void* arena) = nullptr;
};

// Loads a library that has myonly_arena_* or mi_heap_*; stays loaded. Returns
// what is wrong, or "".
std::string LoadHeapFunctions(const std::string& library,
                              HeapFunctions* functions);

}  // namespace myonly::bench

#endif  // MYONLY_TOOLS_BENCH_ARENAS_HEAP_FUNCTIONS_H_
