// Allocators for the standard containers.
//
//   std::vector<int, myonly::allocator<int>> on_the_process_heap;
//   std::vector<int, myonly::arena_allocator<int>> in_an_arena(
//       myonly::arena_allocator<int>(arena));
//
// allocator is stateless: every one equals every other, and it costs a
// container no byte. arena_allocator holds the arena's handle: two are equal if
// they name the same arena. It has no default constructor, since a container
// that quietly lands on another heap is a mistake.
//
// Both throw std::bad_alloc when the memory isn't there (built without
// exceptions: abort), also when it is the arena's limit that is in the way, and
// std::bad_array_new_length for a count whose bytes are more than a size_t
// holds.
#ifndef MYONLY_CAPI_CPP_ALLOCATOR_H_
#define MYONLY_CAPI_CPP_ALLOCATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "capi/cpp/arena.h"
#include "capi/cpp/arena_ref.h"
#include "capi/cpp/callbacks.h"
#include "myonly/myonly.h"

namespace myonly {

// What allocate_at_least returns: the library's own type where it has one.
#if defined(__cpp_lib_allocate_at_least)
template <typename Pointer>
using allocation_result = std::allocation_result<Pointer>;
#else
template <typename Pointer>
struct allocation_result {
  Pointer ptr;
  std::size_t count;
};
#endif

namespace detail {

// count * sizeof(T); throws when that doesn't fit.
template <typename T>
std::size_t array_bytes(std::size_t count) {
  if (count > SIZE_MAX / sizeof(T)) throw_bad_array_new_length();
  return count * sizeof(T);
}

}  // namespace detail

template <typename T>
class allocator {
 public:
  using value_type = T;
  using is_always_equal = std::true_type;
  using propagate_on_container_move_assignment = std::true_type;

  constexpr allocator() noexcept = default;
  template <typename U>
  constexpr allocator(const allocator<U>&) noexcept {}  // NOLINT: rebinding

  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t size_bytes = detail::array_bytes<T>(count);
    void* ptr = alignof(T) > default_alignment
                    ? myonly_aligned_alloc(alignof(T), size_bytes)
                    : myonly_alloc(size_bytes);
    if (ptr == nullptr) detail::throw_bad_alloc();
    return static_cast<T*>(ptr);
  }

  [[nodiscard]] allocation_result<T*> allocate_at_least(std::size_t count) {
    std::size_t actual_bytes = 0;
    void* ptr = myonly_alloc_at_least(detail::array_bytes<T>(count), alignof(T),
                                      &actual_bytes);
    if (ptr == nullptr) detail::throw_bad_alloc();
    return {static_cast<T*>(ptr), actual_bytes / sizeof(T)};
  }

  void deallocate(T* ptr, std::size_t count) noexcept {
    myonly_free_sized(ptr, count * sizeof(T), alignof(T));
  }
};

template <typename T, typename U>
constexpr bool operator==(const allocator<T>&, const allocator<U>&) noexcept {
  return true;
}
template <typename T, typename U>
constexpr bool operator!=(const allocator<T>&, const allocator<U>&) noexcept {
  return false;
}

template <typename T>
class arena_allocator {
 public:
  using value_type = T;
  using is_always_equal = std::false_type;
  // Moving and swapping containers carry their arena along, so that neither
  // has to move elements. Copy assignment doesn't: the copy stays in its own
  // arena. A new copy is in the arena of what it copies.
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;
  using propagate_on_container_copy_assignment = std::false_type;

  // From an arena, an arena_ref or a myonly_arena*.
  explicit arena_allocator(arena_ref arena) noexcept : arena_(arena.get()) {}
  template <typename U>
  arena_allocator(
      const arena_allocator<U>& other) noexcept  // NOLINT: rebinding
      : arena_(other.arena()) {}

  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t size_bytes = detail::array_bytes<T>(count);
    void* ptr = alignof(T) > default_alignment
                    ? myonly_arena_aligned_alloc(arena_, alignof(T), size_bytes)
                    : myonly_arena_alloc(arena_, size_bytes);
    if (ptr == nullptr) detail::throw_bad_alloc();
    return static_cast<T*>(ptr);
  }

  [[nodiscard]] allocation_result<T*> allocate_at_least(std::size_t count) {
    std::size_t actual_bytes = 0;
    void* ptr = myonly_arena_alloc_at_least(
        arena_, detail::array_bytes<T>(count), alignof(T), &actual_bytes);
    if (ptr == nullptr) detail::throw_bad_alloc();
    return {static_cast<T*>(ptr), actual_bytes / sizeof(T)};
  }

  void deallocate(T* ptr, std::size_t count) noexcept {
    myonly_free_sized(ptr, count * sizeof(T), alignof(T));
  }

  [[nodiscard]] myonly_arena* arena() const noexcept { return arena_; }

 private:
  myonly_arena* arena_;
};

template <typename T, typename U>
bool operator==(const arena_allocator<T>& left,
                const arena_allocator<U>& right) noexcept {
  return left.arena() == right.arena();
}
template <typename T, typename U>
bool operator!=(const arena_allocator<T>& left,
                const arena_allocator<U>& right) noexcept {
  return !(left == right);
}

// The names of version 0.1's first days.
template <typename T>
using Allocator = allocator<T>;
template <typename T>
using ArenaAllocator = arena_allocator<T>;

}  // namespace myonly

#endif  // MYONLY_CAPI_CPP_ALLOCATOR_H_
