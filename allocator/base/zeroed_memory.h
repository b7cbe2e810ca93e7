// Large objects of which little is used at first.
#ifndef MYONLY_ALLOCATOR_BASE_ZEROED_MEMORY_H_
#define MYONLY_ALLOCATOR_BASE_ZEROED_MEMORY_H_

namespace myonly::internal {

// Tells a constructor that its object is made in fresh memory, which is zero:
// arrays that begin as zero are left alone, as a page that nobody writes to is
// not there.
struct InZeroedMemory {};

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_ZEROED_MEMORY_H_
