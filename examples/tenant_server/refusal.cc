#include "examples/tenant_server/refusal.h"

#include <vector>

namespace myonly::tenant_server {

Refusal ExplainRefusal(const std::vector<arena_ref>& arenas) {
  Refusal refusal;
  refusal.status = myonly_last_status();
  if (refusal.status != MYONLY_ERR_QUOTA) return refusal;
  size_t least_room = SIZE_MAX;
  for (const arena_ref& of_one : arenas) {
    const arena_stats stats = of_one.stats();
    if (stats.limit_bytes == 0) continue;
    const size_t room = stats.limit_bytes > stats.charged_bytes
                            ? stats.limit_bytes - stats.charged_bytes
                            : 0;
    if (room >= least_room) continue;
    least_room = room;
    refusal.arena = stats.name;
    refusal.limit_bytes = stats.limit_bytes;
    refusal.charged_bytes = stats.charged_bytes;
  }
  return refusal;
}

}  // namespace myonly::tenant_server
