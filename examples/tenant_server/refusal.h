// Why there was no memory: which arena's limit was in the way.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_REFUSAL_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_REFUSAL_H_

#include <cstddef>
#include <string>
#include <vector>

#include "examples/tenant_server/memory.h"
#include "myonly/myonly.h"

namespace myonly::tenant_server {

struct Refusal {
  myonly_status status = MYONLY_ERR_QUOTA;
  // Of the arena whose limit was passed; empty unless status is QUOTA.
  std::string arena;
  size_t limit_bytes = 0;
  size_t charged_bytes = 0;
};

// To be asked right after a request failed in `arenas.front()`, before what it
// had got is freed. The others are its parents, upwards. If several have too
// little room, the one with the least is named.
Refusal ExplainRefusal(const std::vector<arena_ref>& arenas);

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_REFUSAL_H_
