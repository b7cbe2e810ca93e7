// What the build's preset decides: --define=myonly_preset=fast leaves the
// checks on objects of slabs out. One for a whole build: every target that sees
// this header gets the define with it.
#ifndef MYONLY_ALLOCATOR_BASE_PRESET_H_
#define MYONLY_ALLOCATOR_BASE_PRESET_H_

namespace myonly::internal {

// Freeing an object of a slab looks whether one begins at the address, and
// whether it is free already; taking one from a list, or a block from a quick
// list, whether it is free.
#ifdef MYONLY_PRESET_FAST
inline constexpr bool kChecksObjects = false;
#else
inline constexpr bool kChecksObjects = true;
#endif

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_PRESET_H_
