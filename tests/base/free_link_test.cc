// The link in a free object, plain and with a key, and the mark beside it.
#include "allocator/base/free_link.h"

#include <cstdint>
#include <cstring>
#include <set>

#include "allocator/base/check.h"
#include "allocator/base/free_mark.h"
#include "allocator/base/guard_keys.h"
#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

struct Node {};

// Good are addresses below 2^47.
struct Rule {
  static bool IsGood(const void* /*place*/, uintptr_t address) {
    return address >> 47 == 0;
  }
  static void Report(const void* place) {
    ReportAndAbort("overwritten link", place);
  }
};
using PlainLink = FreeLink<Node, Rule, false>;
using KeyedLink = FreeLink<Node, Rule, true>;
static_assert(sizeof(PlainLink) == sizeof(void*));
static_assert(sizeof(KeyedLink) == sizeof(void*));

template <typename Link>
uintptr_t Bits(const Link& link) {
  uintptr_t bits;
  memcpy(&bits, static_cast<const void*>(&link), sizeof(bits));
  return bits;
}

template <typename Link>
class FreeLinkTest : public ::testing::Test {
 protected:
  FreeLinkTest() { MakeGuardKeys(); }
};
using Links = ::testing::Types<PlainLink, KeyedLink>;
TYPED_TEST_SUITE(FreeLinkTest, Links);

TYPED_TEST(FreeLinkTest, ReadsAsItWasWritten) {
  Node nodes[2];
  TypeParam links[2] = {};
  for (TypeParam& link : links) {
    for (Node* to : {&nodes[0], &nodes[1], static_cast<Node*>(nullptr)}) {
      link = to;
      EXPECT_EQ(static_cast<Node*>(link), to);
      EXPECT_EQ(link.Word(), reinterpret_cast<uintptr_t>(to));
      EXPECT_EQ(link.PeekWord(), reinterpret_cast<uintptr_t>(to));
    }
  }
}

TYPED_TEST(FreeLinkTest, KeepsAnyWord) {
  TypeParam link = {};
  for (const uintptr_t word : {uintptr_t{0}, uintptr_t{8}, ~uintptr_t{0},
                               uintptr_t{0x4141414141414141}}) {
    link.SetWord(word);
    EXPECT_EQ(link.Word(), word);
    EXPECT_EQ(link.PeekWord(), word);
  }
}

class KeyedLinkTest : public FreeLinkTest<KeyedLink> {};

// Neither the address nor, with the same one, anything that two places have in
// common: neither half of the bits, nor the lowest ones, which places share.
TEST_F(KeyedLinkTest, TellsNothingOfWhereItLeads) {
  Node node;
  KeyedLink links[100] = {};
  std::set<uintptr_t> lowest;
  std::set<uintptr_t> low;
  std::set<uintptr_t> high;
  for (KeyedLink& link : links) {
    link = &node;
    EXPECT_NE(Bits(link), reinterpret_cast<uintptr_t>(&node));
    lowest.insert(Bits(link) & 7);
    low.insert(Bits(link) & 0xffffffff);
    high.insert(Bits(link) >> 32);
  }
  EXPECT_GT(lowest.size(), 4U);
  EXPECT_GT(low.size(), 98U);
  EXPECT_GT(high.size(), 98U);
}

// A pointer that a program writes there, or copies there.
TEST_F(KeyedLinkTest, WhatOthersWroteIsReportedBeforeItIsFollowed) {
  Node node;
  KeyedLink links[2] = {};
  links[0] = &node;
  links[1] = nullptr;
  const uintptr_t copied = Bits(links[0]);
  for (const uintptr_t word : {uintptr_t{0}, ~uintptr_t{0}, copied,
                               reinterpret_cast<uintptr_t>(&node)}) {
    memcpy(static_cast<void*>(&links[1]), &word, sizeof(word));
    // By chance one of 2^17 reads as an address of programs.
    if (Rule::IsGood(&links[1], links[1].Word())) continue;
    EXPECT_DEATH(static_cast<void>(static_cast<Node*>(links[1])),
                 "myonlymalloc: overwritten link at 0x");
  }
}

TEST(FreeMarkTest, IsClearedWhereItIsTheValueAndElseAsItWas) {
  for (const uintptr_t value :
       {uintptr_t{1}, uintptr_t{0x123456789abcdef0}, ~uintptr_t{0}}) {
    uintptr_t mark = value;
    EXPECT_FALSE(ToggleMark(&mark, value));
    EXPECT_EQ(mark, 0U);
    for (int bit = 0; bit < 64; ++bit) {
      const uintptr_t other = value ^ uintptr_t { 1 } << bit;
      mark = other;
      EXPECT_TRUE(ToggleMark(&mark, value)) << bit;
      ToggleMark(&mark, value);
      EXPECT_EQ(mark, other);
    }
  }
}

}  // namespace
}  // namespace myonly::internal
