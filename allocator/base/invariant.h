// Which invariant does not hold, and where: what checks fill in.
#ifndef MYONLY_ALLOCATOR_BASE_INVARIANT_H_
#define MYONLY_ALLOCATOR_BASE_INVARIANT_H_

namespace myonly::internal {

struct BrokenInvariant {
  const char* what = nullptr;   // a constant text
  const void* where = nullptr;  // an address at the fault

  // False, which is what a check that has found one returns.
  bool Is(const char* text, const void* place) {
    what = text;
    where = place;
    return false;
  }
};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_INVARIANT_H_
