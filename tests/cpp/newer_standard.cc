// The adaptors in C++20 and C++23, where containers check more of what an
// allocator promises. No GoogleTest: its headers know C++17.
#include <cstdio>
#include <map>
#include <memory>
#include <memory_resource>
#include <string>
#include <vector>

#include "capi/cpp/allocator.h"
#include "capi/cpp/arena.h"
#include "capi/cpp/memory_resource.h"
#include "capi/cpp/testing.h"
#include "myonly/myonly.h"

static_assert(__cplusplus > 201703L, "compile this with a newer standard");

namespace {

template <typename A>
concept Allocator = requires(A a, typename A::value_type* p, std::size_t n) {
  { a.allocate(n) } -> std::same_as<typename A::value_type*>;
  { a.deallocate(p, n) }
  noexcept;
  { a.allocate_at_least(n).count } -> std::convertible_to<std::size_t>;
  { a == a } -> std::convertible_to<bool>;
  { a != a } -> std::convertible_to<bool>;
}
&&std::copy_constructible<A>&& std::is_nothrow_copy_constructible_v<A>;

static_assert(Allocator<myonly::allocator<int>>);
static_assert(Allocator<myonly::arena_allocator<int>>);
static_assert(std::equality_comparable<myonly::arena_ref>);
static_assert(std::regular<myonly::arena_ref>);
static_assert(std::movable<myonly::arena>);
static_assert(!std::copyable<myonly::arena>);
static_assert(std::swappable<myonly::arena>);

int failures = 0;

void Expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  ++failures;
}

}  // namespace

int main() {
  const myonly::arena_options options{.name = "new", .limit_bytes = 1 << 20};
  myonly::arena arena(options);
  Expect(static_cast<bool>(arena), "designated options");
  Expect(arena.stats().limit_bytes == 1 << 20, "the limit arrives");
  {
    std::vector<std::string, myonly::arena_allocator<std::string>> lines(
        10, "line", myonly::arena_allocator<std::string>(arena));
    std::map<int, int, std::less<>,
             myonly::arena_allocator<std::pair<const int, int>>>
        map{myonly::arena_allocator<int>(arena)};
    map[1] = 2;
    std::erase_if(lines, [](const std::string& line) { return line.empty(); });
    myonly::memory_resource resource(arena);
    std::pmr::polymorphic_allocator<> polymorphic(&resource);
    int* number = polymorphic.new_object<int>(7);
    Expect(arena.owns(number), "objects of a polymorphic_allocator");
    polymorphic.delete_object(number);
    using Traits = std::allocator_traits<myonly::arena_allocator<int>>;
    myonly::arena_allocator<int> allocator(arena);
#if defined(__cpp_lib_allocate_at_least)
    const auto got = Traits::allocate_at_least(allocator, 1001);
#else
    const auto got = allocator.allocate_at_least(1001);
#endif
    Expect(got.count >= 1001, "allocate_at_least");
    Traits::deallocate(allocator, got.ptr, got.count);
  }
  Expect(arena.stats().live_blocks == 0, "nothing is left");
  return failures;
}
