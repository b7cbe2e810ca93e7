// What the build's preset decides: `release` unless --define=myonly_preset says
// `fast`, `secure` or `debug`; //:secure and the library of that name are
// secure in every build, as //:debug is debug. One for a whole program: every
// target that sees this header gets the define with it. The preset debug is
// secure as well, but for what runtime/heap.h says.
#ifndef MYONLY_ALLOCATOR_BASE_PRESET_H_
#define MYONLY_ALLOCATOR_BASE_PRESET_H_

namespace myonly::internal {

// Freeing an object of a slab looks whether one begins at the address, and
// whether it is free already; taking one from a list, or a block from a quick
// list, whether it is free. Not in fast.
#ifdef MYONLY_PRESET_FAST
inline constexpr bool kChecksObjects = false;
#else
inline constexpr bool kChecksObjects = true;
#endif

#ifdef MYONLY_PRESET_SECURE
inline constexpr bool kIsSecure = true;
#else
inline constexpr bool kIsSecure = false;
#endif

inline constexpr const char* kPresetName = kIsSecure        ? "secure"
                                           : kChecksObjects ? "release"
                                                            : "fast";

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_BASE_PRESET_H_
