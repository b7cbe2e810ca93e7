#include "tools/bench/arenas/heap_functions.h"

#include <dlfcn.h>

#include "myonly/myonly.h"

namespace myonly::bench {
namespace {

template <typename Function>
bool Find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

// What needs another signature than HeapFunctions has.
decltype(&myonly_arena_create) myonly_create;
decltype(&myonly_arena_destroy) myonly_destroy;
decltype(&myonly_arena_reset) myonly_reset;

void* CreateMyonly() {
  myonly_arena* arena = nullptr;
  return myonly_create(nullptr, &arena) == MYONLY_OK ? arena : nullptr;
}
void DestroyMyonly(void* arena) {
  myonly_destroy(static_cast<myonly_arena*>(arena), MYONLY_DESTROY_FREE);
}
void ResetMyonly(void* arena) {
  myonly_reset(static_cast<myonly_arena*>(arena));
}

bool FindMyonly(void* library, HeapFunctions* functions) {
  if (!Find(library, "myonly_arena_create", &myonly_create)) return false;
  functions->create = CreateMyonly;
  functions->destroy = DestroyMyonly;
  functions->reset = ResetMyonly;
  return Find(library, "myonly_arena_destroy", &myonly_destroy) &&
         Find(library, "myonly_arena_reset", &myonly_reset) &&
         Find(library, "myonly_arena_alloc", &functions->alloc) &&
         Find(library, "myonly_free", &functions->free);
}

// Version 3, whose heaps are for all threads.
bool FindMimalloc(void* library, HeapFunctions* functions) {
  int (*version)();
  return Find(library, "mi_version", &version) &&
         version() / (version() < 10000 ? 100 : 10000) >= 3 &&
         Find(library, "mi_heap_new", &functions->create) &&
         Find(library, "mi_heap_destroy", &functions->destroy) &&
         Find(library, "mi_heap_malloc", &functions->alloc) &&
         Find(library, "mi_free", &functions->free);
}

}  // namespace

std::string LoadHeapFunctions(const std::string& library,
                              HeapFunctions* functions) {
  void* loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (loaded == nullptr) return dlerror();
  if (!FindMyonly(loaded, functions) && !FindMimalloc(loaded, functions)) {
    return library +
           ": has no myonly_arena_create, nor mi_heap_new of version 3";
  }
  if (!Find(loaded, "malloc", &functions->plain_alloc) ||
      !Find(loaded, "free", &functions->plain_free)) {
    return library + ": has no malloc";
  }
  return "";
}

}  // namespace myonly::bench
