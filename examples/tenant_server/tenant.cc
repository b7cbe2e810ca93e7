#include "examples/tenant_server/tenant.h"

#include <algorithm>
#include <new>
#include <string>
#include <string_view>

namespace myonly::tenant_server {
namespace {

// Where pages count, more eviction is no use once the memory doesn't come back:
// it is in the shares of other threads.
constexpr int kRounds = 3;

// True while this thread may hold the lock of a store.
thread_local bool inside_store = false;

class InsideStore {
 public:
  InsideStore() { inside_store = true; }
  ~InsideStore() { inside_store = false; }
  InsideStore(const InsideStore&) = delete;
  InsideStore& operator=(const InsideStore&) = delete;
};

// Good as long as `name`.
arena_options MakeOptions(const std::string& name, arena_ref parent,
                          bool exact_bytes, const TenantLimits& limits) {
  arena_options options;
  options.name = name.c_str();
  options.parent = parent;
  options.exact_bytes = exact_bytes;
  options.limit_bytes = limits.limit_bytes;
  options.soft_limit_bytes = limits.soft_limit_bytes;
  return options;
}

}  // namespace

Tenant::Tenant(const std::string& name, arena_ref parent, bool exact_bytes,
               const TenantLimits& limits)
    : name_(name),
      arena_(MakeOptions("tenant/" + name, parent, exact_bytes, limits),
             [this](arena_ref, pressure event) { OnPressure(event); }),
      status_(arena_.status()),
      limit_bytes_(limits.limit_bytes),
      soft_limit_bytes_(limits.soft_limit_bytes) {
  if (status_ != MYONLY_OK) return;
  try {
    store_ = arena_.new_object<Store>(arena_);
  } catch (const std::bad_alloc&) {
    status_ = myonly_last_status();
  }
}

Tenant::~Tenant() {
  const size_t held_bytes = arena_.stats().reserved_bytes;
  // Every entry at once, however many there are.
  arena_.destroy();
  gone_.set_value(held_bytes);
}

bool Tenant::Put(std::string_view key, Body* body, Kind kind) {
  const size_t bytes = key.size() + body->text().size();
  const ValuePtr value =
      WithRoom(bytes, [&] { return store_->MakeValue(body); });
  const bool is_new = WithRoom(bytes, [&] {
    const InsideStore inside;
    return store_->Put(key, value, kind);
  });
  Relieve();
  return is_new;
}

myonly_status Tenant::SetLimits(const TenantLimits& limits) {
  limit_bytes_ = limits.limit_bytes;
  soft_limit_bytes_ = limits.soft_limit_bytes;
  const myonly_status status = arena_.set_limit(limits.limit_bytes);
  if (status != MYONLY_OK) return status;
  return arena_.set_soft_limit(limits.soft_limit_bytes);
}

// Called by the thread whose request crossed the line, after that request, with
// none of the allocator's locks; but perhaps with the store's.
void Tenant::OnPressure(pressure event) {
  if (event == pressure::relieved) return;
  is_pressed_ = true;
  if (!inside_store) Relieve();
}

// Below 7/8 of its soft limit the arena calls the pressure relieved, and would
// tell of it again.
void Tenant::Relieve() {
  // There is no store while it is made itself.
  if (store_ == nullptr || !is_pressed_.exchange(false)) return;
  const size_t goal = soft_limit_bytes_ / 4 * 3;
  for (int round = 0; round < kRounds; ++round) {
    const size_t charged = arena_.charged();
    if (charged <= goal || store_->Evict(charged - goal) == 0) return;
    // Where pages count: what was freed is kept for the next request.
    if (arena_.charged() > goal) arena_.purge();
  }
}

}  // namespace myonly::tenant_server
