// An intrusive search tree whose shape is that of a heap over pseudo-random
// priorities: expected depth 1.4 log2(n), no colours, no balance fields, no
// parent links (Seidel and Aragon, "Randomized search trees", 1996).
//
// Traits names the order and the place of the links in a node:
//   static T*& Left(T& node); static T*& Right(T& node);
//   static bool Less(const T& a, const T& b);   // a strict total order
//   static uint64_t Priority(const T& node);    // constant while inserted
// Externally synchronised.
#ifndef MYONLY_ALLOCATOR_BASE_TREAP_H_
#define MYONLY_ALLOCATOR_BASE_TREAP_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/attributes.h"
#include "allocator/base/check.h"

namespace myonly::internal {

template <typename T, typename Traits>
class Treap {
 public:
  constexpr Treap() = default;

  bool empty() const { return root_ == nullptr; }
  T* root() const { return root_; }

  void Insert(T& node) {
    T** link = &root_;
    while (*link != nullptr && Above(**link, node)) {
      link = Traits::Less(node, **link) ? &Traits::Left(**link)
                                        : &Traits::Right(**link);
    }
    T* below = *link;
    *link = &node;
    Split(below, node, &Traits::Left(node), &Traits::Right(node));
  }

  // `node` must be in the tree.
  void Remove(T& node) {
    T** link = &root_;
    while (*link != &node) {
      MYONLY_CHECK(*link != nullptr);
      link = Traits::Less(node, **link) ? &Traits::Left(**link)
                                        : &Traits::Right(**link);
    }
    *link = Join(Traits::Left(node), Traits::Right(node));
    Traits::Left(node) = nullptr;
    Traits::Right(node) = nullptr;
  }

  // The smallest node for which !before(node), or NULL. `before` must be true
  // for a prefix of the order.
  template <typename Before>
  T* FirstNot(Before before) const {
    T* found = nullptr;
    for (T* node = root_; node != nullptr;) {
      if (before(*node)) {
        node = Traits::Right(*node);
      } else {
        found = node;
        node = Traits::Left(*node);
      }
    }
    return found;
  }

  T* Largest() const {
    T* node = root_;
    while (node != nullptr && Traits::Right(*node) != nullptr) {
      node = Traits::Right(*node);
    }
    return node;
  }

  // Calls visit(node) in order. Returns the first node, in that order, whose
  // place is wrong by order or heap shape, with those after it not visited;
  // NULL: there is none.
  template <typename Visit>
  ABSL_ATTRIBUTE_COLD const T* CheckAndVisit(Visit visit) const {
    const T* previous = nullptr;
    return VisitBelow(root_, &previous, visit);
  }

 private:
  static bool Above(const T& a, const T& b) {
    return Traits::Priority(a) >= Traits::Priority(b);
  }

  static void Split(T* tree, const T& key, T** less, T** rest) {
    while (tree != nullptr) {
      if (Traits::Less(*tree, key)) {
        *less = tree;
        less = &Traits::Right(*tree);
        tree = *less;
      } else {
        *rest = tree;
        rest = &Traits::Left(*tree);
        tree = *rest;
      }
    }
    *less = nullptr;
    *rest = nullptr;
  }

  static T* Join(T* less, T* rest) {
    T* joined = nullptr;
    T** link = &joined;
    while (less != nullptr && rest != nullptr) {
      if (Above(*less, *rest)) {
        *link = less;
        link = &Traits::Right(*less);
        less = *link;
      } else {
        *link = rest;
        link = &Traits::Left(*rest);
        rest = *link;
      }
    }
    *link = less != nullptr ? less : rest;
    return joined;
  }

  template <typename Visit>
  static const T* VisitBelow(T* node, const T** previous, Visit& visit) {
    while (node != nullptr) {
      const T* left = Traits::Left(*node);
      const T* right = Traits::Right(*node);
      const T* bad = VisitBelow(Traits::Left(*node), previous, visit);
      if (bad != nullptr) return bad;
      if ((left != nullptr && !Above(*node, *left)) ||
          (right != nullptr && !Above(*node, *right)) ||
          (*previous != nullptr && !Traits::Less(**previous, *node))) {
        return node;
      }
      *previous = node;
      visit(*node);
      node = Traits::Right(*node);
    }
    return nullptr;
  }

  T* root_ = nullptr;
};

// Spreads the bits of an address, for priorities. (The finaliser of
// MurmurHash3 by Austin Appleby.)
constexpr uint64_t MixBits(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_TREAP_H_
