// What happens when the process starts and when it ends: options, fork
// handlers, the line of MYONLY_VERBOSE, the statistics of MYONLY_STATS_FILE.
// capi calls both, from its one constructor and its one destructor; allocations
// before and after work all the same.
#ifndef MYONLY_ALLOCATOR_RUNTIME_START_H_
#define MYONLY_ALLOCATOR_RUNTIME_START_H_

namespace myonly::internal {

// `environment` as main's third argument. `version` is text;
// `is_process_allocator` tells whether malloc is ours.
void Start(const char* const* environment, const char* version,
           bool is_process_allocator);

void Finish();

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_START_H_
