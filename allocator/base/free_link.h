// The link from a free object or block to the next one, which is in its own
// memory, where a program may write after it has freed it.
//
// A pointer; in the secure preset one that is mixed with a key of the process
// and the place where it is. What has been written there by others then reads
// as an address that `Rule` takes for none, and is reported before anybody
// follows it.
#ifndef MYONLY_ALLOCATOR_BASE_FREE_LINK_H_
#define MYONLY_ALLOCATOR_BASE_FREE_LINK_H_

#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "allocator/base/check.h"
#include "allocator/base/guard_keys.h"
#include "allocator/base/peek.h"
#include "allocator/base/preset.h"

namespace myonly::internal {

// Used like a T*. `Rule` has the functions
//   static bool IsGood(const void* place, uintptr_t address);
//   static void Report(const void* place);  // does not return
template <typename T, typename Rule, bool kIsKeyed = kIsSecure>
class FreeLink {
 public:
  operator T*() const { return to_; }  // NOLINT(google-explicit-constructor)
  FreeLink& operator=(T* to) {
    to_ = to;
    return *this;
  }

  // What else may be kept there; and the same by who does not own it.
  uintptr_t Word() const { return reinterpret_cast<uintptr_t>(to_); }
  uintptr_t PeekWord() const { return reinterpret_cast<uintptr_t>(Peek(to_)); }
  void SetWord(uintptr_t word) { to_ = reinterpret_cast<T*>(word); }

 private:
  T* to_;
};

template <typename T, typename Rule>
class FreeLink<T, Rule, true> {
 public:
  operator T*() const {  // NOLINT(google-explicit-constructor)
    const uintptr_t address = Word();
    if (ABSL_PREDICT_FALSE(!Rule::IsGood(this, address))) Rule::Report(this);
    return reinterpret_cast<T*>(address);
  }
  FreeLink& operator=(T* to) {
    SetWord(reinterpret_cast<uintptr_t>(to));
    return *this;
  }

  uintptr_t Word() const { return word_ ^ Mask(); }
  uintptr_t PeekWord() const { return Peek(word_) ^ Mask(); }
  void SetWord(uintptr_t word) { word_ = word ^ Mask(); }

 private:
  // The high bits of a product depend on all of its factors' bits.
  uintptr_t Mask() const {
    const uint64_t product =
        (reinterpret_cast<uintptr_t>(this) ^ guard_keys.link) *
        guard_keys.factor;
    return product << 32 | product >> 32;
  }

  uintptr_t word_;
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_FREE_LINK_H_
