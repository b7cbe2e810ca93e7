#include <cstdint>
#include <string_view>
#include <vector>

#include "examples/tenant_server/json.h"
#include "examples/tenant_server/report.h"

namespace myonly::tenant_server {
namespace {

using Figure = uint64_t (*)(const Tenant& tenant, const StoreCounts& counts);

struct Metric {
  const char* name;
  const char* type;
  const char* help;
  Figure figure;
};

constexpr Metric kMetrics[] = {
    {"tenant_server_requests_total", "counter", "Requests for the tenant.",
     [](const Tenant& tenant, const StoreCounts&) -> uint64_t {
       return tenant.requests;
     }},
    {"tenant_server_refused_requests_total", "counter",
     "Requests that a limit refused: 507.",
     [](const Tenant& tenant, const StoreCounts&) -> uint64_t {
       return tenant.refused_requests;
     }},
    {"tenant_server_kept_entries", "gauge", "Entries until they are removed.",
     [](const Tenant&, const StoreCounts& counts) -> uint64_t {
       return counts.kept_entries;
     }},
    {"tenant_server_cache_entries", "gauge", "Entries that may be evicted.",
     [](const Tenant&, const StoreCounts& counts) -> uint64_t {
       return counts.cache_entries;
     }},
    {"tenant_server_evicted_entries_total", "counter", "Entries evicted.",
     [](const Tenant&, const StoreCounts& counts) -> uint64_t {
       return counts.evicted_entries;
     }},
};

void WriteHead(const Metric& metric, Text* out) {
  out->append("# HELP ").append(metric.name).append(" ").append(metric.help);
  out->append("\n# TYPE ").append(metric.name).append(" ").append(metric.type);
  out->append("\n");
}

}  // namespace

void WriteMetrics(const Service& service, Text* out) {
  // The library's own: the process, its heap, and every arena.
  write_all_stats(format::prometheus,
                  [out](std::string_view text) { out->append(text); });
  const std::vector<TenantPtr> tenants = service.Tenants();
  for (const Metric& metric : kMetrics) {
    WriteHead(metric, out);
    for (const TenantPtr& tenant : tenants) {
      out->append(metric.name).append("{tenant=\"");
      out->append(tenant->name()).append("\"} ");
      Json(out).Number(metric.figure(*tenant, tenant->store().Counts()));
      out->append("\n");
    }
  }
}

}  // namespace myonly::tenant_server
