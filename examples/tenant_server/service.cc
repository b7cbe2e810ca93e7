#include "examples/tenant_server/service.h"

#include <cctype>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace myonly::tenant_server {
namespace {

constexpr size_t kMostTenants = 10000;
constexpr size_t kLongestName = 24;  // "tenant/" before it: 31 in an arena
constexpr auto kDropPatience = std::chrono::seconds(5);
// What may stay resident, for the other tenants, when one has been dropped.
constexpr size_t kKeptBytes = size_t{4} << 20;

size_t Bytes(long mebibytes) {
  return static_cast<size_t>(mebibytes) * kMebibyte;
}

}  // namespace

Service::Service(const Options& options)
    : tenant_limit_bytes_(Bytes(options.tenant_limit_mb)),
      soft_percent_(options.soft_percent),
      request_limit_bytes_(Bytes(options.request_limit_mb)),
      exact_bytes_(options.exact_bytes != 0),
      arena_([&] {
        arena_options arena;
        arena.name = "service";
        arena.exact_bytes = exact_bytes_;
        arena.limit_bytes = Bytes(options.service_limit_mb);
        return arena;
      }()) {}

TenantPtr Service::Find(const std::string& name) const {
  const std::shared_lock<std::shared_mutex> lock(mutex_);
  const auto found = tenants_.find(name);
  return found == tenants_.end() ? nullptr : found->second;
}

TenantPtr Service::FindOrCreate(const std::string& name,
                                myonly_status* status) {
  *status = MYONLY_OK;
  if (TenantPtr tenant = Find(name)) return tenant;
  const std::unique_lock<std::shared_mutex> lock(mutex_);
  TenantPtr& tenant = tenants_[name];
  if (tenant != nullptr) return tenant;
  *status = MYONLY_ERR_BUSY;
  if (tenants_.size() <= kMostTenants) {
    tenant =
        std::make_shared<Tenant>(name, arena_, exact_bytes_,
                                 LimitsFor(tenant_limit_bytes_, soft_percent_));
    *status = tenant->status();
  }
  if (*status == MYONLY_OK) return tenant;
  tenants_.erase(name);
  return nullptr;
}

std::vector<TenantPtr> Service::Tenants() const {
  const std::shared_lock<std::shared_mutex> lock(mutex_);
  std::vector<TenantPtr> tenants;
  tenants.reserve(tenants_.size());
  for (const auto& [name, tenant] : tenants_) tenants.push_back(tenant);
  return tenants;
}

Dropped Service::Drop(const std::string& name) {
  Dropped dropped;
  std::future<size_t> gone;
  {
    TenantPtr tenant;  // destroyed without the lock
    const std::unique_lock<std::shared_mutex> lock(mutex_);
    const auto found = tenants_.find(name);
    if (found == tenants_.end()) return dropped;
    tenant = std::move(found->second);
    tenants_.erase(found);
    gone = tenant->OnceGone();
  }
  dropped.was_there = true;
  if (gone.wait_for(kDropPatience) == std::future_status::ready) {
    dropped.is_destroyed = true;
    dropped.returned_bytes = gone.get();
    // Its pages are free for all arenas now; this gives them to the system.
    process_heap::purge(kKeptBytes);
  }
  return dropped;
}

bool Service::Close() {
  {
    std::map<std::string, TenantPtr> tenants;  // destroyed without the lock
    const std::unique_lock<std::shared_mutex> lock(mutex_);
    tenants.swap(tenants_);
  }
  return arena_.destroy(MYONLY_DESTROY_REQUIRE_EMPTY) == MYONLY_OK;
}

TenantLimits Service::LimitsFor(size_t limit_bytes, long soft_percent) const {
  TenantLimits limits;
  limits.limit_bytes = limit_bytes;
  limits.soft_limit_bytes =
      limit_bytes / 100 * static_cast<size_t>(soft_percent);
  return limits;
}

bool IsTenantName(const std::string& name) {
  if (name.empty() || name.size() > kLongestName) return false;
  // No client would ask for these: they are folders of a path.
  if (name == "." || name == "..") return false;
  for (const char letter : name) {
    const bool is_letter =
        std::isalnum(static_cast<unsigned char>(letter)) != 0;
    if (!is_letter && std::string("._-").find(letter) == std::string::npos) {
      return false;
    }
  }
  return true;
}

}  // namespace myonly::tenant_server
