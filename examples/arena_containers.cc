// Standard containers in an arena: vector and map through an allocator, and
// std::pmr through a memory resource.
//
// Shows: the containers live in the arena and nowhere else, they free what
// they took, and what a container leaves behind one reset drops.

#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory_resource>
#include <string>
#include <utility>
#include <vector>

#include "capi/cpp/allocator.h"
#include "capi/cpp/arena.h"
#include "capi/cpp/arena_ref.h"
#include "capi/cpp/memory_resource.h"

namespace {

using ArenaString = std::basic_string<char, std::char_traits<char>,
                                      myonly::arena_allocator<char>>;
using ArenaMap =
    std::map<int, ArenaString, std::less<int>,
             myonly::arena_allocator<std::pair<const int, ArenaString>>>;

void PrintLive(myonly::arena_ref arena, const char* what) {
  std::printf("%-22s %5llu live blocks\n", what,
              static_cast<unsigned long long>(arena.stats().live_blocks));
}

void FillVector(myonly::arena_ref arena) {
  std::vector<int, myonly::arena_allocator<int>> numbers{
      myonly::arena_allocator<int>(arena)};
  int64_t sum = 0;
  for (int i = 1; i <= 1000; ++i) numbers.push_back(i);
  for (const int number : numbers) sum += number;
  std::printf("vector: sum 1..1000 = %lld\n", static_cast<long long>(sum));
  PrintLive(arena, "  one vector:");
}

void FillMap(myonly::arena_ref arena) {
  const myonly::arena_allocator<char> allocator(arena);
  ArenaMap squares{ArenaMap::allocator_type(allocator)};
  for (int i = 0; i < 100; ++i) {
    // Too long for the string's own room, so it takes a block.
    ArenaString text("the square of this number is ", allocator);
    text += std::to_string(i * i).c_str();
    squares.emplace(i, std::move(text));
  }
  std::printf("map: 12 -> %s\n", squares.at(12).c_str());
  PrintLive(arena, "  map of 100 strings:");
}

void FillPmr(myonly::arena_ref arena) {
  myonly::memory_resource resource(arena);
  std::pmr::vector<std::pmr::string> lines(&resource);
  lines.reserve(100);
  for (int i = 0; i < 100; ++i) {
    lines.emplace_back("a line that is long enough to need a block of its own");
  }
  std::printf("pmr: %zu lines, the last has %zu characters\n", lines.size(),
              lines.back().size());
  PrintLive(arena, "  pmr vector:");
}

}  // namespace

int main() {
  myonly::arena arena("containers");
  if (!arena) {
    std::fprintf(stderr, "no arena: %s\n", myonly_status_str(arena.status()));
    return 1;
  }
  FillVector(arena);
  FillMap(arena);
  FillPmr(arena);
  PrintLive(arena, "all destroyed:");

  // A container that is never destroyed: its blocks go with the arena's.
  using Numbers = std::vector<int, myonly::arena_allocator<int>>;
  void* place = arena.allocate(sizeof(Numbers));
  if (place == nullptr) return 1;
  auto* numbers = new (place) Numbers(myonly::arena_allocator<int>(arena));
  numbers->assign(100, 7);
  PrintLive(arena, "left behind:");
  arena.reset();
  PrintLive(arena, "after reset:");
  return arena.check() == MYONLY_OK ? 0 : 1;
}
