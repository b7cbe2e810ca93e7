// Large objects of which little is used at first.
#ifndef MYONLY_ALLOCATOR_BASE_ZEROED_MEMORY_H_
#define MYONLY_ALLOCATOR_BASE_ZEROED_MEMORY_H_

#include <new>
#include <utility>

namespace myonly::internal {

// Tells a constructor that its object is made in fresh memory, which is zero:
// arrays that begin as zero are left alone, as a page that nobody writes to is
// not there.
struct InZeroedMemory {};

// Makes an object with such a constructor. To a compiler what was there before
// an object is lost with the beginning of its life (-flifetime-dse of gcc): it
// leaves out what wrote the zeros, where it sees that, and what is read later
// may be anything. So it must not know that the memory is the same.
template <typename T, typename... Args>
T* MakeInZeroedMemory(void* memory, Args&&... args) {
  asm volatile("" : : "r"(memory) : "memory");
  T* object = ::new (memory) T(std::forward<Args>(args)...);
  asm volatile("" : "+r"(object) : : "memory");
  return object;
}

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_ZEROED_MEMORY_H_
