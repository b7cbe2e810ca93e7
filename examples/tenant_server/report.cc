#include "examples/tenant_server/report.h"

#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

#include "examples/tenant_server/json.h"

namespace myonly::tenant_server {
namespace {

constexpr size_t kTopWords = 10;

// What a bar of the page shows.
struct Bar {
  uint64_t live_bytes = 0;    // in blocks that are allocated
  uint64_t cached_bytes = 0;  // in pages that are held beyond those
  uint64_t charged_bytes = 0;
  uint64_t limit_bytes = 0;
  uint64_t soft_limit_bytes = 0;
};

Bar BarOf(const arena_stats& stats) {
  Bar bar;
  bar.live_bytes = stats.live_bytes;
  if (stats.reserved_bytes > stats.live_bytes) {
    bar.cached_bytes = stats.reserved_bytes - stats.live_bytes;
  }
  bar.charged_bytes = stats.charged_bytes;
  bar.limit_bytes = stats.limit_bytes;
  bar.soft_limit_bytes = stats.soft_limit_bytes;
  return bar;
}

uint64_t ResidentBytes() {
  uint64_t all_pages = 0;
  uint64_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> all_pages >> resident_pages;
  return resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void WriteBar(const Bar& bar, Json<Text>* json) {
  json->Name("live_bytes").Number(bar.live_bytes);
  json->Name("cached_bytes").Number(bar.cached_bytes);
  json->Name("charged_bytes").Number(bar.charged_bytes);
  json->Name("limit_bytes").Number(bar.limit_bytes);
  json->Name("soft_limit_bytes").Number(bar.soft_limit_bytes);
}

void WriteTenantObject(const Tenant& tenant, const Bar& bar, Json<Text>* json) {
  const StoreCounts counts = tenant.store().Counts();
  json->Open('{').Name("name").String(tenant.name());
  WriteBar(bar, json);
  json->Name("kept_entries").Number(counts.kept_entries);
  json->Name("cache_entries").Number(counts.cache_entries);
  json->Name("value_bytes").Number(counts.value_bytes);
  json->Name("evicted_entries").Number(counts.evicted_entries);
  json->Name("requests").Number(tenant.requests);
  json->Name("refused_requests").Number(tenant.refused_requests);
  json->Close('}');
}

}  // namespace

void WriteArenas(const Service& service, Text* out) {
  Json json(out);
  json.Open('{').Name("resident_bytes").Number(ResidentBytes());
  json.Name("requests").Number(service.requests);
  json.Name("running_requests").Number(service.running_requests);
  json.Name("tenants").Open('[');
  Bar all = BarOf(service.arena().stats());
  for (const TenantPtr& tenant : service.Tenants()) {
    const Bar bar = BarOf(tenant->arena().stats());
    all.live_bytes += bar.live_bytes;
    all.cached_bytes += bar.cached_bytes;
    WriteTenantObject(*tenant, bar, &json);
  }
  json.Close(']').Name("service").Open('{');
  WriteBar(all, &json);
  json.Close('}').Name("process_heap").Open('{');
  WriteBar(BarOf(process_heap::stats()), &json);
  json.Close('}').Close('}');
}

void WriteTenant(const Tenant& tenant, Text* out) {
  Json json(out);
  WriteTenantObject(tenant, BarOf(tenant.arena().stats()), &json);
}

void WriteKeys(const Tenant& tenant, const std::string& prefix, size_t most,
               Text* out) {
  Json json(out);
  json.Open('{').Name("keys").Open('[');
  tenant.store().Visit(
      prefix, most, [&json](std::string_view key, size_t bytes, Kind kind) {
        json.Open('{').Name("key").String(key).Name("bytes").Number(bytes);
        json.Name("kind").String(kind == Kind::kCache ? "cache" : "kept");
        json.Close('}');
      });
  json.Close(']').Close('}');
}

void WriteWords(const WordCount& words, Text* out) {
  Json json(out);
  json.Open('{').Name("words").Number(words.words());
  json.Name("different_words").Number(words.different_words());
  json.Name("top").Open('[');
  for (const auto& [word, count] : words.Top(kTopWords)) {
    json.Open('{').Name("word").String(word).Name("count").Number(count);
    json.Close('}');
  }
  json.Close(']').Close('}');
}

void WriteExplanation(const Tenant& tenant, bool as_json, Text* out) {
  const auto write = [out](std::string_view text) { out->append(text); };
  const arena_ref arena = tenant.arena();
  if (as_json) {
    arena.explain_json(write);
  } else {
    arena.explain(write);
  }
}

}  // namespace myonly::tenant_server
