// The mark that a free object or block bears in its first word, by which who
// takes it from a list knows that it is free: a link that was overwritten leads
// to something without one.
#ifndef MYONLY_ALLOCATOR_BASE_FREE_MARK_H_
#define MYONLY_ALLOCATOR_BASE_FREE_MARK_H_

#include <cstdint>

#include "absl/base/attributes.h"

namespace myonly::internal {

// Clears a mark that is `value`; false: that was it. Any other one is as before
// when this is done twice. One instruction compares and clears, which compilers
// don't find.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool ToggleMark(uintptr_t* mark,
                                                    uintptr_t value) {
#ifdef __x86_64__
  bool is_other;
  asm("xorq %2, %0" : "+m"(*mark), "=@ccnz"(is_other) : "r"(value));
  return is_other;
#else
  *mark ^= value;
  return *mark != 0;
#endif
}

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_FREE_MARK_H_
