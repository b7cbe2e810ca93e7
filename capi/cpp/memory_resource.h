// std::pmr: a memory resource over an arena, and one over the process heap.
//
//   myonly::ArenaResource resource(arena);
//   std::pmr::vector<std::pmr::string> lines(&resource);
//
// Two resources are equal if they name the same arena, however many adaptors
// there are: what one allocated the other may free.
//
// Needs <memory_resource> (C++17). Thread-safe.
#ifndef MYONLY_CAPI_CPP_MEMORY_RESOURCE_H_
#define MYONLY_CAPI_CPP_MEMORY_RESOURCE_H_

#include <cstddef>
#include <memory_resource>
#include <new>

#include "capi/cpp/arena.h"
#include "myonly/myonly.h"

namespace myonly {

class ArenaResource : public std::pmr::memory_resource {
 public:
  explicit ArenaResource(const Arena& arena) noexcept : arena_(arena.get()) {}
  explicit ArenaResource(myonly_arena* arena) noexcept : arena_(arena) {}

  myonly_arena* arena() const noexcept { return arena_; }

 private:
  void* do_allocate(std::size_t size_bytes, std::size_t alignment) override {
    void* ptr = myonly_arena_aligned_alloc(arena_, alignment, size_bytes);
    if (ptr == nullptr) OutOfMemory();
    return ptr;
  }

  void do_deallocate(void* ptr, std::size_t size_bytes,
                     std::size_t alignment) override {
    myonly_free_sized(ptr, size_bytes, alignment);
  }

  bool do_is_equal(
      const std::pmr::memory_resource& other) const noexcept override {
    if (this == &other) return true;
#if defined(__cpp_rtti)
    const auto* resource = dynamic_cast<const ArenaResource*>(&other);
    return resource != nullptr && resource->arena_ == arena_;
#else
    return false;
#endif
  }

  myonly_arena* arena_;
};

// The process heap as a resource. There is one; it is never destroyed, so that
// containers of any lifetime may use it.
inline std::pmr::memory_resource* ProcessHeapResource() {
  class Resource : public std::pmr::memory_resource {
    void* do_allocate(std::size_t size_bytes, std::size_t alignment) override {
      void* ptr = myonly_aligned_alloc(alignment, size_bytes);
      if (ptr == nullptr) OutOfMemory();
      return ptr;
    }
    void do_deallocate(void* ptr, std::size_t size_bytes,
                       std::size_t alignment) override {
      myonly_free_sized(ptr, size_bytes, alignment);
    }
    bool do_is_equal(
        const std::pmr::memory_resource& other) const noexcept override {
      return this == &other;
    }
  };
  alignas(Resource) static unsigned char storage[sizeof(Resource)];
  static std::pmr::memory_resource* const resource = new (storage) Resource;
  return resource;
}

}  // namespace myonly

#endif  // MYONLY_CAPI_CPP_MEMORY_RESOURCE_H_
