// Allocators for the standard containers.
//
//   std::vector<int, myonly::Allocator<int>> on_the_process_heap;
//   std::vector<int, myonly::ArenaAllocator<int>> in_an_arena(
//       myonly::ArenaAllocator<int>(arena));
//
// Allocator is stateless: every one equals every other, and it costs a
// container no byte. ArenaAllocator holds the arena's handle: two are equal if
// they name the same arena. It has no default constructor, since a container
// that quietly lands on another heap is a mistake.
//
// Both throw std::bad_alloc when the memory isn't there (built without
// exceptions: abort).
#ifndef MYONLY_CAPI_CPP_ALLOCATOR_H_
#define MYONLY_CAPI_CPP_ALLOCATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "capi/cpp/arena.h"
#include "myonly/myonly.h"

namespace myonly {

// Up to here the functions without an alignment will do.
inline constexpr std::size_t kDefaultAlignment = 16;

// count * sizeof(T); throws when that doesn't fit.
template <typename T>
std::size_t ArrayBytes(std::size_t count) {
  if (count > static_cast<std::size_t>(PTRDIFF_MAX) / sizeof(T)) OutOfMemory();
  return count * sizeof(T);
}

template <typename T>
class Allocator {
 public:
  using value_type = T;
  using is_always_equal = std::true_type;
  using propagate_on_container_move_assignment = std::true_type;

  constexpr Allocator() noexcept = default;
  template <typename U>
  constexpr Allocator(const Allocator<U>&) noexcept {}  // NOLINT: rebinding

  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t size_bytes = ArrayBytes<T>(count);
    void* ptr = alignof(T) > kDefaultAlignment
                    ? myonly_aligned_alloc(alignof(T), size_bytes)
                    : myonly_alloc(size_bytes);
    if (ptr == nullptr) OutOfMemory();
    return static_cast<T*>(ptr);
  }

#if defined(__cpp_lib_allocate_at_least)
  [[nodiscard]] std::allocation_result<T*> allocate_at_least(
      std::size_t count) {
    std::size_t actual_bytes = 0;
    void* ptr =
        myonly_alloc_at_least(ArrayBytes<T>(count), alignof(T), &actual_bytes);
    if (ptr == nullptr) OutOfMemory();
    return {static_cast<T*>(ptr), actual_bytes / sizeof(T)};
  }
#endif

  void deallocate(T* ptr, std::size_t count) noexcept {
    myonly_free_sized(ptr, count * sizeof(T), alignof(T));
  }
};

template <typename T, typename U>
constexpr bool operator==(const Allocator<T>&, const Allocator<U>&) noexcept {
  return true;
}
template <typename T, typename U>
constexpr bool operator!=(const Allocator<T>&, const Allocator<U>&) noexcept {
  return false;
}

template <typename T>
class ArenaAllocator {
 public:
  using value_type = T;
  using is_always_equal = std::false_type;
  // Moving and swapping containers carry their arena along, so that neither
  // has to move elements. Copying doesn't: the copy stays in its own arena.
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;
  using propagate_on_container_copy_assignment = std::false_type;

  explicit ArenaAllocator(const Arena& arena) noexcept : arena_(arena.get()) {}
  explicit ArenaAllocator(myonly_arena* arena) noexcept : arena_(arena) {}
  template <typename U>
  ArenaAllocator(const ArenaAllocator<U>& other) noexcept  // NOLINT: rebinding
      : arena_(other.arena()) {}

  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t size_bytes = ArrayBytes<T>(count);
    void* ptr = alignof(T) > kDefaultAlignment
                    ? myonly_arena_aligned_alloc(arena_, alignof(T), size_bytes)
                    : myonly_arena_alloc(arena_, size_bytes);
    if (ptr == nullptr) OutOfMemory();
    return static_cast<T*>(ptr);
  }

#if defined(__cpp_lib_allocate_at_least)
  [[nodiscard]] std::allocation_result<T*> allocate_at_least(
      std::size_t count) {
    std::size_t actual_bytes = 0;
    void* ptr = myonly_arena_alloc_at_least(arena_, ArrayBytes<T>(count),
                                            alignof(T), &actual_bytes);
    if (ptr == nullptr) OutOfMemory();
    return {static_cast<T*>(ptr), actual_bytes / sizeof(T)};
  }
#endif

  void deallocate(T* ptr, std::size_t count) noexcept {
    myonly_free_sized(ptr, count * sizeof(T), alignof(T));
  }

  myonly_arena* arena() const noexcept { return arena_; }

 private:
  myonly_arena* arena_;
};

template <typename T, typename U>
bool operator==(const ArenaAllocator<T>& left,
                const ArenaAllocator<U>& right) noexcept {
  return left.arena() == right.arena();
}
template <typename T, typename U>
bool operator!=(const ArenaAllocator<T>& left,
                const ArenaAllocator<U>& right) noexcept {
  return !(left == right);
}

}  // namespace myonly

#endif  // MYONLY_CAPI_CPP_ALLOCATOR_H_
