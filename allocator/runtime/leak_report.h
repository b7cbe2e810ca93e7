// What the debug preset prints of blocks that are not freed when the process
// ends.
#ifndef MYONLY_ALLOCATOR_RUNTIME_LEAK_REPORT_H_
#define MYONLY_ALLOCATOR_RUNTIME_LEAK_REPORT_H_

#include <cstddef>

#include "absl/base/attributes.h"

namespace myonly::internal {

// How many lost blocks and bytes there are (leak_search.h; of all that are not
// freed, where it can't tell), and up to `groups` stacks that have made
// them, those with most bytes first. Nothing if there are none. Allocates
// nothing, prints to stderr.
ABSL_ATTRIBUTE_COLD void PrintLeaks(size_t groups);

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_LEAK_REPORT_H_
