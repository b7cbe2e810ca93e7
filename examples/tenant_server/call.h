// One request while it runs: its arena, and what may be in its way.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_CALL_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_CALL_H_

#include <vector>

#include "examples/tenant_server/memory.h"
#include "examples/tenant_server/refusal.h"
#include "examples/tenant_server/service.h"

namespace myonly::tenant_server {

// Not thread-safe: one request is one thread's.
class Call {
 public:
  // Works in an arena below that of `tenant`, or of the service if it is NULL.
  // If it can't be made, allocating in it fails.
  Call(Service* service, Tenant* tenant)
      : service_(*service), tenant_(tenant), arena_(MakeOptions()) {
    ++service_.requests;
    ++service_.running_requests;
  }
  ~Call() { --service_.running_requests; }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  myonly_arena* arena() const { return arena_.get(); }
  Text NewText() const { return Text(ArenaAllocator<char>(arena())); }

  // See refusal.h.
  Refusal Explain() const {
    std::vector<myonly_arena*> arenas;
    if (arena_) arenas.push_back(arena_.get());
    if (tenant_ != nullptr) arenas.push_back(tenant_->arena());
    arenas.push_back(service_.arena());
    return ExplainRefusal(arenas);
  }

 private:
  myonly_arena_options MakeOptions() const {
    myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
    options.name = "request";
    options.parent = tenant_ != nullptr ? tenant_->arena() : service_.arena();
    options.flags = service_.arena_flags();
    options.limit_bytes = service_.request_limit_bytes();
    return options;
  }

  Service& service_;
  Tenant* const tenant_;
  Arena arena_;
};

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_CALL_H_
