#include "allocator/base/treap.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

struct Node {
  int key;
  Node* left;
  Node* right;
};

struct Traits {
  static Node*& Left(Node& node) { return node.left; }
  static Node*& Right(Node& node) { return node.right; }
  static bool Less(const Node& a, const Node& b) { return a.key < b.key; }
  static uint64_t Priority(const Node& node) {
    return MixBits(static_cast<uint64_t>(node.key));
  }
};

using Tree = Treap<Node, Traits>;

size_t CountAndCheck(const Tree& tree) {
  size_t count = 0;
  tree.CheckAndVisit([&count](const Node&) { ++count; });
  return count;
}

TEST(TreapTest, AgreesWithASet) {
  constexpr int kKeys = 500;
  std::vector<Node> nodes(kKeys);
  for (int i = 0; i < kKeys; ++i)
    nodes[static_cast<size_t>(i)] = {i, nullptr, nullptr};
  Tree tree;
  std::set<int> model;
  unsigned random = 7;
  for (int round = 0; round < 20000; ++round) {
    random = random * 1664525 + 1013904223;
    const int key = static_cast<int>((random >> 8) % kKeys);
    Node& node = nodes[static_cast<size_t>(key)];
    if (model.count(key) != 0) {
      tree.Remove(node);
      model.erase(key);
    } else {
      tree.Insert(node);
      model.insert(key);
    }
    const int from = static_cast<int>((random >> 4) % kKeys);
    const Node* found =
        tree.FirstNot([from](const Node& n) { return n.key < from; });
    const auto next = model.lower_bound(from);
    ASSERT_EQ(found == nullptr, next == model.end());
    if (found != nullptr) {
      ASSERT_EQ(found->key, *next);
    }
    if (!model.empty()) {
      ASSERT_EQ(tree.Largest()->key, *model.rbegin());
    }
    if (round % 1000 == 0) {
      ASSERT_EQ(CountAndCheck(tree), model.size());
    }
  }
  ASSERT_EQ(tree.empty(), model.empty());
}

int Depth(const Node* node) {
  if (node == nullptr) return 0;
  const int left = Depth(node->left);
  const int right = Depth(node->right);
  return 1 + (left > right ? left : right);
}

TEST(TreapTest, StaysShallowWhenKeysComeInOrder) {
  std::vector<Node> nodes(4096);
  Tree tree;
  for (size_t i = 0; i < nodes.size(); ++i) {
    nodes[i] = {static_cast<int>(i), nullptr, nullptr};
    tree.Insert(nodes[i]);
  }
  EXPECT_EQ(CountAndCheck(tree), nodes.size());
  EXPECT_LE(Depth(tree.root()), 40);  // 12 would be perfect
}

TEST(TreapDeathTest, RemovingWhatIsNotInItDies) {
  Node in = {1, nullptr, nullptr};
  Node out = {2, nullptr, nullptr};
  Tree tree;
  tree.Insert(in);
  EXPECT_DEATH(tree.Remove(out), "treap.h");
}

}  // namespace
}  // namespace myonly::internal
