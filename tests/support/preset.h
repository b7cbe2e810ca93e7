// What tests know of the build's preset beside allocator/base/preset.h.
#ifndef MYONLY_TESTS_SUPPORT_PRESET_H_
#define MYONLY_TESTS_SUPPORT_PRESET_H_

#include "allocator/base/preset.h"

namespace myonly::testing {

// Whether what the test calls is of the preset debug; internal::kIsSecure is
// true then, too.
#ifdef MYONLY_PRESET_DEBUG
inline constexpr bool kIsDebug = true;
#else
inline constexpr bool kIsDebug = false;
#endif

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_SUPPORT_PRESET_H_
