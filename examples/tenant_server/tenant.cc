#include "examples/tenant_server/tenant.h"

#include <algorithm>
#include <new>
#include <string>
#include <string_view>
#include <utility>

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

}  // namespace

Tenant::Tenant(const std::string& name, myonly_arena* parent, uint64_t flags,
               const TenantLimits& limits)
    : name_(name),
      arena_(MakeOptions("tenant/" + name, parent, flags, limits)),
      status_(arena_.status()),
      limit_bytes_(limits.limit_bytes),
      soft_limit_bytes_(limits.soft_limit_bytes) {
  if (status_ != MYONLY_OK) return;
  void* place = arena_.Allocate(sizeof(Store));
  if (place == nullptr) {
    status_ = myonly_last_status();
  } else {
    store_ = new (place) Store(arena_.get());
  }
}

Tenant::~Tenant() {
  const size_t held_bytes = arena_.Stats().reserved_bytes;
  // Every entry at once, however many there are.
  myonly_arena_destroy(arena_.release(), MYONLY_DESTROY_FREE);
  gone_.set_value(held_bytes);
}

// The arena copies the name.
myonly_arena_options Tenant::MakeOptions(const std::string& arena_name,
                                         myonly_arena* parent, uint64_t flags,
                                         const TenantLimits& limits) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  options.name = arena_name.c_str();
  options.flags = flags;
  options.parent = parent;
  options.limit_bytes = limits.limit_bytes;
  options.soft_limit_bytes = limits.soft_limit_bytes;
  options.on_pressure = OnPressure;
  options.ctx = this;
  return options;
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
  const myonly_status status =
      myonly_arena_set_limit(arena_.get(), limits.limit_bytes);
  if (status != MYONLY_OK) return status;
  return myonly_arena_set_soft_limit(arena_.get(), limits.soft_limit_bytes);
}

// Called by the thread whose request crossed the line, after that request, with
// none of the allocator's locks; but perhaps with the store's.
void Tenant::OnPressure(void* ctx, myonly_arena*, int32_t event) {
  if (event == MYONLY_PRESSURE_RELIEVED) return;
  auto* tenant = static_cast<Tenant*>(ctx);
  tenant->is_pressed_ = true;
  if (!inside_store) tenant->Relieve();
}

// Below 7/8 of its soft limit the arena calls the pressure relieved, and would
// tell of it again.
void Tenant::Relieve() {
  // There is no store while it is made itself.
  if (store_ == nullptr || !is_pressed_.exchange(false)) return;
  const size_t goal = soft_limit_bytes_ / 4 * 3;
  for (int round = 0; round < kRounds; ++round) {
    const size_t charged = ChargedBytes();
    if (charged <= goal || store_->Evict(charged - goal) == 0) return;
    // Where pages count: what was freed is kept for the next request.
    if (ChargedBytes() > goal) myonly_arena_purge(arena_.get(), 0);
  }
}

size_t Tenant::ChargedBytes() const {
  size_t charged = 0;
  myonly_arena_charged(arena_.get(), &charged);
  return charged;
}

}  // namespace myonly::tenant_server
