// All tenants, below one arena.
//
//   service            --service-limit-mb
//     tenant/NAME      --tenant-limit-mb, or what the tenant was made with
//       request        --request-limit-mb: what a request of a tenant works in
//     request          the same, of requests that look and delete
//
// A tenant that is full can still be looked at and emptied, as that is not
// charged to it.
//
// With --exact-bytes, the default, an arena is charged the bytes of its live
// blocks: what any thread frees is free for the tenant at once, and its threads
// share one heap. Else it is charged pages, and threads have shares of its
// heap: faster, but what was freed and belongs to the share of a thread stays
// charged until that allocates again, or has no connection to serve.
//
// Thread-safe.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_SERVICE_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_SERVICE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "examples/tenant_server/memory.h"
#include "examples/tenant_server/options.h"
#include "examples/tenant_server/tenant.h"

namespace myonly::tenant_server {

using TenantPtr = std::shared_ptr<Tenant>;

// What became of a tenant that was dropped.
struct Dropped {
  bool was_there = false;
  bool is_destroyed = false;  // else requests still use it; it goes with them
  size_t returned_bytes = 0;  // that it was charged
};

class Service {
 public:
  explicit Service(const Options& options);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // MYONLY_OK, or there is no arena for the service.
  myonly_status status() const { return arena_.status(); }
  arena_ref arena() const { return arena_; }

  // NULL if there is none of that name.
  TenantPtr Find(const std::string& name) const;
  // NULL if it can't be made: `*status` says why.
  TenantPtr FindOrCreate(const std::string& name, myonly_status* status);
  std::vector<TenantPtr> Tenants() const;  // by name

  // Waits for running requests of the tenant, five seconds at most.
  Dropped Drop(const std::string& name);
  // Drops everything. True if the service's arena was empty then.
  bool Close();

  TenantLimits LimitsFor(size_t limit_bytes, long soft_percent) const;
  long soft_percent() const { return soft_percent_; }
  size_t request_limit_bytes() const { return request_limit_bytes_; }
  // Of all arenas of the service, since a tree counts one thing.
  bool exact_bytes() const { return exact_bytes_; }

  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> running_requests{0};

 private:
  const size_t tenant_limit_bytes_;
  const long soft_percent_;
  const size_t request_limit_bytes_;
  const bool exact_bytes_;
  myonly::arena arena_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, TenantPtr> tenants_;
};

// Letters, digits, '.', '_' and '-', at most 24.
bool IsTenantName(const std::string& name);

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_SERVICE_H_
