// What the process heap and its arenas tell about themselves: explanations and
// statistics. Nothing here allocates; writers are called with no lock held.
//
// Thread-safe.
#ifndef MYONLY_ALLOCATOR_RUNTIME_PROCESS_REPORT_H_
#define MYONLY_ALLOCATOR_RUNTIME_PROCESS_REPORT_H_

#include <cstddef>

#include "allocator/arena/arena.h"
#include "allocator/arena/arena_registry.h"
#include "allocator/arena/explain.h"
#include "allocator/base/status.h"
#include "allocator/observe/report_writer.h"
#include "allocator/observe/stats_report.h"

namespace myonly::internal {

// Of an arena of the program, 0: of the default arena. `*out` is all zero.
Status Explain(ArenaHandle handle, Explanation* out);

// The next arena of the program in the order of slots, `*position` being 0 at
// first; 0: there is none. One that is there from the first call until the last
// is found once.
ArenaHandle NextArena(size_t* position);

// 0: of the default arena.
Status WriteStatsOf(ArenaHandle handle, StatsFormat format, ReportWriter* out);
// Of the process, the default arena and all arenas of the program.
void WriteAllStats(StatsFormat format, const char* version, ReportWriter* out);

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_PROCESS_REPORT_H_
