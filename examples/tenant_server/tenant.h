// One tenant: an arena below the service's, and in it everything it stores.
//
// Pressure: when the arena's charge rises above its soft limit, the arena calls
// back and cache entries go, the least recently used first. When a request is
// refused by the limit they go as well, and the request is made again.
//
// Thread-safe. Whoever uses a tenant holds a shared pointer to it; the last one
// destroys the arena.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_TENANT_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_TENANT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <new>
#include <string>
#include <string_view>

#include "examples/tenant_server/memory.h"
#include "examples/tenant_server/store.h"

namespace myonly::tenant_server {

struct TenantLimits {
  size_t limit_bytes = 0;
  size_t soft_limit_bytes = 0;
};

class Tenant {
 public:
  // `exact_bytes` as `parent` has it.
  Tenant(const std::string& name, arena_ref parent, bool exact_bytes,
         const TenantLimits& limits);
  ~Tenant();
  Tenant(const Tenant&) = delete;
  Tenant& operator=(const Tenant&) = delete;

  // MYONLY_OK if there is an arena and a store in it; else use nothing below.
  myonly_status status() const { return status_; }

  const std::string& name() const { return name_; }
  arena_ref arena() const { return arena_; }

  // As in store.h, with room made by eviction.
  bool Put(std::string_view key, Body* body, Kind kind);
  ValuePtr Get(std::string_view key) { return store_->Get(key); }
  bool Remove(std::string_view key) { return store_->Remove(key); }
  Store& store() const { return *store_; }

  // Does `work`, which wants about `bytes`. If a limit is in its way, evicts as
  // much and does it again; if that doesn't help, four times as much, and so on
  // while there is something to evict.
  template <typename Work>
  auto WithRoom(size_t bytes, Work work) {
    for (size_t portion = bytes;; portion *= 4) {
      try {
        return work();
      } catch (const std::bad_alloc&) {
        if (myonly_last_status() != MYONLY_ERR_QUOTA) throw;
        if (store_->Evict(portion) == 0) throw;
      }
    }
  }

  myonly_status SetLimits(const TenantLimits& limits);

  size_t limit_bytes() const { return limit_bytes_; }

  // Is set once the arena is destroyed, to the bytes of pages that it held.
  std::future<size_t> OnceGone() { return gone_.get_future(); }

  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> refused_requests{0};

 private:
  void OnPressure(pressure event);
  void Relieve();

  const std::string name_;
  myonly::arena arena_;
  myonly_status status_;
  // In the arena, and never taken apart: it goes with the arena.
  Store* store_ = nullptr;
  std::atomic<size_t> limit_bytes_;
  std::atomic<size_t> soft_limit_bytes_;
  std::atomic<bool> is_pressed_{false};
  std::promise<size_t> gone_;
};

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_TENANT_H_
