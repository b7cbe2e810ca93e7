// One request while it runs: its arena, and what may be in its way.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_CALL_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_CALL_H_

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

  arena_ref arena() const { return arena_; }
  Text NewText() const { return Text(arena_allocator<char>(arena())); }

  // See refusal.h.
  Refusal Explain() const {
    return ExplainRefusal({arena_, Parent(), service_.arena()});
  }

 private:
  arena_ref Parent() const {
    return tenant_ != nullptr ? tenant_->arena() : service_.arena();
  }
  arena_options MakeOptions() const {
    arena_options options;
    options.name = "request";
    options.parent = Parent();
    options.exact_bytes = service_.exact_bytes();
    options.limit_bytes = service_.request_limit_bytes();
    return options;
  }

  Service& service_;
  Tenant* const tenant_;
  myonly::arena arena_;
};

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_CALL_H_
