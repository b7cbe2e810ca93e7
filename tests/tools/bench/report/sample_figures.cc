#include "tests/tools/bench/report/sample_figures.h"

#include <sstream>
#include <string>

namespace myonly::testing {
namespace {

struct Workload {
  const char* name;
  const char* kind;
};

constexpr Workload kWorkloads[] = {
    {"pairs", "single"},          {"batches", "single"},
    {"random-replace", "single"}, {"growth", "single"},
    {"large-churn", "single"},    {"larson", "threads"},
    {"handoff", "threads"},       {"thread-churn", "threads"},
    {"request-reset", "arenas"},  {"quiet", "latency"},
    {"python3", "program"},       {"sqlite3", "program"},
};

constexpr const char* kAllocators[] = {"glibc", "myonly", "mimalloc",
                                       "jemalloc", "rpmalloc"};

std::string StatusOf(const std::string& workload,
                     const std::string& allocator) {
  if (workload == "sqlite3") return "skipped: sqlite3 is not installed";
  if (workload == "larson" && allocator == "rpmalloc") {
    return "crashed: SIGSEGV";
  }
  if (workload == "growth" && allocator == "jemalloc") {
    return "timed out after 60 s";
  }
  return "ok";
}

std::string Figures(double seconds, int rss_mib, int operations) {
  std::ostringstream json;
  json << "{\"wall_seconds\":" << seconds
       << ",\"user_seconds\":" << seconds * 0.8
       << ",\"system_seconds\":" << seconds * 0.1
       << ",\"cpu_seconds\":" << seconds * 0.9
       << ",\"peak_rss_bytes\":" << (static_cast<long>(rss_mib) << 20)
       << ",\"page_faults\":" << rss_mib * 256
       << ",\"operations\":" << operations << "}";
  return json.str();
}

// Figures that differ from cell to cell, in no order of their own.
std::string Cell(const Workload& workload, const std::string& name,
                 const std::string& allocator, int number) {
  const std::string status = StatusOf(workload.name, allocator);
  std::string json = "{\"workload\":\"" + name + "\",\"allocator\":\"" +
                     allocator + "\",\"status\":\"" + status + "\"";
  if (status == "ok") {
    const double seconds = 0.5 + number * 37 % 60 * 0.02;
    const int rss_mib = 20 + number * 23 % 60;
    const bool counts = std::string(workload.kind) != "program";
    const auto figures = [&](double factor) {
      return Figures(seconds * factor, rss_mib, counts ? 1000000 : 0);
    };
    json += ",\"rounds\":[" + figures(0.9) + "," + figures(1) + "," +
            figures(1.2) + "],\"median\":" + figures(1) +
            ",\"low_quartile\":" + figures(0.95) +
            ",\"high_quartile\":" + figures(1.1);
    if (std::string(workload.kind) == "latency") {
      json += ",\"details\":{\"malloc_p999_ns\":1234}";
    }
  }
  return json + "}";
}

const char* Comma(bool first) { return first ? "" : ","; }

}  // namespace

std::string SampleFigures(const std::string& first_workload) {
  std::string allocators;
  std::string workloads;
  std::string cells;
  std::string summary;
  for (const char* name : kAllocators) {
    const std::string quoted = "\"" + std::string(name) + "\"";
    allocators += Comma(allocators.empty());
    allocators += "{\"name\":" + quoted + ",\"path\":\"\",\"environment\":{}}";
    if (std::string(name) == "myonly") continue;
    summary += Comma(summary.empty());
    summary += "{\"peer\":" + quoted +
               ",\"time_ratio\":0.97,\"cpu_ratio\":0.96,\"rss_ratio\":1.25,"
               "\"workloads\":11}";
  }
  int number = 0;
  for (const Workload& workload : kWorkloads) {
    const std::string name = number == 0 ? first_workload : workload.name;
    workloads += Comma(number == 0);
    workloads += "{\"name\":\"" + name + "\",\"kind\":\"" + workload.kind +
                 "\",\"description\":\"What " + name + " does\"}";
    for (const char* allocator : kAllocators) {
      cells += Comma(number == 0);
      cells += Cell(workload, name, allocator, number++);
    }
  }
  return "{\"version\":1,\"machine\":{\"cpu\":\"A sample CPU\",\"cores\":2,"
         "\"kernel\":\"6.1.0\",\"memory_bytes\":8589934592,"
         "\"date\":\"2026-11-23T15:00:00Z\","
         "\"transparent_huge_pages\":\"madvise\"},"
         "\"options\":{\"rounds\":10,\"scale\":1.0,\"timeout_seconds\":60},"
         "\"allocators\":[" +
         allocators + "],\"workloads\":[" + workloads + "],\"cells\":[" +
         cells + "],\"summary\":[" + summary + "]}";
}

}  // namespace myonly::testing
