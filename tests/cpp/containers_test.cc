// Every standard container between two arenas: what moves, what stays, and that
// nothing is left behind.
#include <gtest/gtest.h>

#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <new>
#include <set>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "capi/cpp/allocator.h"
#include "capi/cpp/arena.h"
#include "myonly/myonly.h"

namespace myonly {
namespace {

using Pair = std::pair<const int, int>;
using Vector = std::vector<int, arena_allocator<int>>;
using Deque = std::deque<int, arena_allocator<int>>;
using List = std::list<int, arena_allocator<int>>;
using ForwardList = std::forward_list<int, arena_allocator<int>>;
using Set = std::multiset<int, std::less<int>, arena_allocator<int>>;
using Map = std::map<int, int, std::less<int>, arena_allocator<Pair>>;
using HashMap = std::unordered_map<int, int, std::hash<int>, std::equal_to<int>,
                                   arena_allocator<Pair>>;
using String =
    std::basic_string<char, std::char_traits<char>, arena_allocator<char>>;

constexpr int kCount = 300;

template <typename Container>
Container Make(const arena& arena, int count) {
  using Value = typename Container::value_type;
  Container result{typename Container::allocator_type(arena)};
  for (int i = 0; i < count; ++i) {
    if constexpr (std::is_same_v<Value, Pair>) {
      result.emplace(i, i);
    } else if constexpr (std::is_same_v<Container, Set>) {
      result.insert(i);
    } else if constexpr (std::is_same_v<Container, ForwardList>) {
      result.push_front(i);
    } else {
      result.push_back(static_cast<Value>(i));
    }
  }
  return result;
}

template <typename Container>
const void* First(const Container& container) {
  return &*container.begin();
}

template <typename Container>
class CppContainersTest : public ::testing::Test {
 protected:
  Container Make(const arena& arena, int count = kCount) {
    return myonly::Make<Container>(arena, count);
  }
  // A default-constructed container may have blocks of its own.
  void ExpectEmpty(const arena& arena) {
    EXPECT_EQ(arena.stats().live_blocks, 0U);
    EXPECT_EQ(arena.check(), MYONLY_OK);
  }

  arena first_{"first"};
  arena second_{"second"};
};

using Containers = ::testing::Types<Vector, Deque, List, ForwardList, Set, Map,
                                    HashMap, String>;
TYPED_TEST_SUITE(CppContainersTest, Containers);

TYPED_TEST(CppContainersTest, LivesInItsArenaAndLeavesIt) {
  const auto before = process_heap::stats().allocations;
  {
    const TypeParam container = this->Make(this->first_);
    EXPECT_TRUE(this->first_.owns(First(container)));
    EXPECT_EQ(container.get_allocator().arena(), this->first_.get());
    EXPECT_GE(this->first_.stats().live_blocks, 1U);
  }
  EXPECT_EQ(process_heap::stats().allocations, before);
  this->ExpectEmpty(this->first_);
}

TYPED_TEST(CppContainersTest, CopiesStayInTheArenaOrGoWhereTheyAreSent) {
  {
    const TypeParam source = this->Make(this->first_);
    const TypeParam here(source);
    EXPECT_TRUE(this->first_.owns(First(here)));
    const TypeParam there(source,
                          typename TypeParam::allocator_type(this->second_));
    EXPECT_TRUE(this->second_.owns(First(there)));
    EXPECT_TRUE(here == source && there == source);
  }
  this->ExpectEmpty(this->first_);
  this->ExpectEmpty(this->second_);
}

TYPED_TEST(CppContainersTest, CopyAssignmentStaysInItsOwnArena) {
  {
    const TypeParam source = this->Make(this->first_);
    TypeParam target = this->Make(this->second_, 100);
    target = source;
    EXPECT_TRUE(target == source);
    EXPECT_TRUE(this->second_.owns(First(target)));
    EXPECT_EQ(target.get_allocator().arena(), this->second_.get());
  }
  this->ExpectEmpty(this->first_);
  this->ExpectEmpty(this->second_);
}

TYPED_TEST(CppContainersTest, MoveAssignmentCarriesTheArenaAndMovesNoElement) {
  {
    TypeParam source = this->Make(this->first_);
    const TypeParam copy(source);
    TypeParam target = this->Make(this->second_, 100);
    const void* first = First(source);
    target = std::move(source);
    EXPECT_EQ(First(target), first);
    EXPECT_TRUE(target == copy);
    EXPECT_EQ(target.get_allocator().arena(), this->first_.get());
    this->ExpectEmpty(this->second_);
  }
  this->ExpectEmpty(this->first_);
}

TYPED_TEST(CppContainersTest, MoveConstructionTakesTheBlocks) {
  {
    TypeParam source = this->Make(this->first_);
    const void* first = First(source);
    const TypeParam target(std::move(source));
    EXPECT_EQ(First(target), first);
  }
  this->ExpectEmpty(this->first_);
}

TYPED_TEST(CppContainersTest, MovingToAnotherArenaMovesTheElements) {
  {
    TypeParam source = this->Make(this->first_);
    const TypeParam copy(source);
    const TypeParam target(std::move(source),
                           typename TypeParam::allocator_type(this->second_));
    EXPECT_TRUE(target == copy);
    EXPECT_TRUE(this->second_.owns(First(target)));
  }
  this->ExpectEmpty(this->first_);
  this->ExpectEmpty(this->second_);
}

TYPED_TEST(CppContainersTest, SwapCarriesTheArenas) {
  {
    TypeParam left = this->Make(this->first_);
    TypeParam right = this->Make(this->second_, 100);
    const void* first_of_left = First(left);
    const void* first_of_right = First(right);
    using std::swap;
    swap(left, right);
    EXPECT_EQ(First(left), first_of_right);
    EXPECT_EQ(First(right), first_of_left);
    EXPECT_EQ(left.get_allocator().arena(), this->second_.get());
    EXPECT_EQ(right.get_allocator().arena(), this->first_.get());
  }
  this->ExpectEmpty(this->first_);
  this->ExpectEmpty(this->second_);
}

TYPED_TEST(CppContainersTest, ALimitIsBadAllocAndLeavesNothing) {
  arena small("small", 256 << 10);
  EXPECT_THROW((void)this->Make(small, 400000), std::bad_alloc);
  this->ExpectEmpty(small);
}

}  // namespace
}  // namespace myonly
