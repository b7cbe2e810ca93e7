// std::pmr: a memory resource over an arena, and one over the process heap.
//
//   myonly::memory_resource resource(arena);
//   std::pmr::vector<std::pmr::string> lines(&resource);
//
// Two resources are equal if they name the same arena, however many adaptors
// there are: what one allocated the other may free. (Built without RTTI only a
// resource itself is its equal.)
//
// Needs <memory_resource> (C++17). Thread-safe. Throws std::bad_alloc when the
// memory isn't there.
#ifndef MYONLY_CAPI_CPP_MEMORY_RESOURCE_H_
#define MYONLY_CAPI_CPP_MEMORY_RESOURCE_H_

#include <cstddef>
#include <memory_resource>
#include <new>

#include "capi/cpp/arena.h"
#include "capi/cpp/arena_ref.h"
#include "capi/cpp/callbacks.h"
#include "myonly/myonly.h"

namespace myonly {

class memory_resource : public std::pmr::memory_resource {
 public:
  // From an arena, an arena_ref or a myonly_arena*; the arena must live longer.
  explicit memory_resource(arena_ref arena) noexcept : arena_(arena.get()) {}

  [[nodiscard]] myonly_arena* arena() const noexcept { return arena_; }

 private:
  void* do_allocate(std::size_t size_bytes, std::size_t alignment) override {
    void* ptr = myonly_arena_aligned_alloc(arena_, alignment, size_bytes);
    if (ptr == nullptr) detail::throw_bad_alloc();
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
    const auto* resource = dynamic_cast<const memory_resource*>(&other);
    return resource != nullptr && resource->arena_ == arena_;
#else
    return false;
#endif
  }

  myonly_arena* arena_;
};

// The process heap as a resource. There is one; it is never destroyed, so that
// containers of any lifetime may use it.
[[nodiscard]] inline std::pmr::memory_resource*
process_heap_resource() noexcept {
  class resource final : public std::pmr::memory_resource {
    void* do_allocate(std::size_t size_bytes, std::size_t alignment) override {
      void* ptr = myonly_aligned_alloc(alignment, size_bytes);
      if (ptr == nullptr) detail::throw_bad_alloc();
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
  alignas(resource) static unsigned char storage[sizeof(resource)];
  static std::pmr::memory_resource* const the_one = ::new (storage) resource;
  return the_one;
}

// The names of version 0.1's first days.
using ArenaResource = memory_resource;
[[nodiscard]] inline std::pmr::memory_resource* ProcessHeapResource() {
  return process_heap_resource();
}

}  // namespace myonly

#endif  // MYONLY_CAPI_CPP_MEMORY_RESOURCE_H_
