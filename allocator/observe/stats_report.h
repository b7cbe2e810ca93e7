// Statistics of arenas, and of the process, as text, as JSON, and in the format
// that Prometheus reads:
// https://prometheus.io/docs/instrumenting/exposition_formats
#ifndef MYONLY_ALLOCATOR_OBSERVE_STATS_REPORT_H_
#define MYONLY_ALLOCATOR_OBSERVE_STATS_REPORT_H_

#include <cstddef>
#include <cstdint>

#include "allocator/arena/arena_options.h"
#include "allocator/observe/report_writer.h"

namespace myonly::internal {

// What is told of one arena.
struct ArenaFigures {
  uintptr_t handle;  // 0: the default arena
  ArenaStats stats;
};

// What is told of the process. The texts are in the .cc file, in this order.
struct ProcessFigures {
  uint64_t arenas;
  uint64_t free_resident_bytes;
  uint64_t kept_mapping_bytes;
  // Sums, which the report makes.
  uint64_t live_blocks;
  uint64_t live_bytes;
  uint64_t reserved_bytes;
};

enum class StatsFormat : int32_t { kText, kJson, kPrometheus };

struct StatsSource {
  // Goes on to the next arena, `*position` being 0 at first. False: there is
  // none. It is called several times for each.
  bool (*next)(void* ctx, size_t* position, ArenaFigures* out);
  void* ctx;
  ProcessFigures* process;  // NULL: nothing is told of it
  const char* version;
};

void WriteStats(StatsFormat format, const StatsSource& source,
                ReportWriter* out);

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_OBSERVE_STATS_REPORT_H_
