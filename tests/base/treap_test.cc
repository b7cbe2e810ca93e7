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
  EXPECT_EQ(tree.CheckAndVisit([&count](const Node&) { ++count; }), nullptr);
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

// --- Nodes that choose their priority. ---

struct Ranked {
  int key;
  uint64_t priority;
  Ranked* left;
  Ranked* right;
};

struct RankedTraits {
  static Ranked*& Left(Ranked& node) { return node.left; }
  static Ranked*& Right(Ranked& node) { return node.right; }
  static bool Less(const Ranked& a, const Ranked& b) { return a.key < b.key; }
  static uint64_t Priority(const Ranked& node) { return node.priority; }
};

class RankedTreapTest : public ::testing::Test {
 protected:
  void InsertAll(uint64_t priority_step) {
    for (int i = 0; i < 7; ++i) {
      const auto step = static_cast<uint64_t>(i) * priority_step;
      nodes_[i] = {10 * i, 100 - step, nullptr, nullptr};
      tree_.Insert(nodes_[i]);
    }
  }
  const Ranked* Check(std::vector<int>* keys) const {
    return tree_.CheckAndVisit(
        [keys](const Ranked& node) { keys->push_back(node.key); });
  }
  std::vector<int> Keys() const {
    std::vector<int> keys;
    EXPECT_EQ(Check(&keys), nullptr);
    return keys;
  }

  Ranked nodes_[7];
  Treap<Ranked, RankedTraits> tree_;
};

TEST_F(RankedTreapTest, TheHighestPriorityIsTheRoot) {
  InsertAll(1);
  EXPECT_EQ(tree_.root(), &nodes_[0]);
  tree_.Remove(nodes_[0]);
  EXPECT_EQ(tree_.root(), &nodes_[1]);
  EXPECT_EQ(nodes_[0].right, nullptr);
  EXPECT_EQ(Keys(), (std::vector<int>{10, 20, 30, 40, 50, 60}));
}

TEST_F(RankedTreapTest, EqualPrioritiesAreFine) {
  InsertAll(0);
  EXPECT_EQ(Keys(), (std::vector<int>{0, 10, 20, 30, 40, 50, 60}));
  for (int i : {3, 0, 6, 1}) tree_.Remove(nodes_[i]);
  EXPECT_EQ(Keys(), (std::vector<int>{20, 40, 50}));
}

// What the tests above stand on.
TEST_F(RankedTreapTest, AWrongOrderIsNoticed) {
  InsertAll(1);
  nodes_[3].key = 41;  // the next one has 40
  std::vector<int> keys;
  EXPECT_EQ(Check(&keys), &nodes_[4]);
  EXPECT_EQ(keys, (std::vector<int>{0, 10, 20, 41}));
}

TEST_F(RankedTreapTest, AWrongShapeIsNoticed) {
  InsertAll(1);
  nodes_[2].priority = 1;
  std::vector<int> keys;
  EXPECT_EQ(Check(&keys), &nodes_[2]);
}

}  // namespace
}  // namespace myonly::internal
