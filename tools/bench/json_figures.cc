#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "tools/bench/figures.h"
#include "tools/myonly/report.h"

namespace myonly::bench {
namespace {

using tools::JsonString;

std::string Number(double value) { return absl::StrFormat("%.9g", value); }

using Members = std::vector<std::pair<std::string, std::string>>;

std::string Object(const Members& members) {
  std::string json = "{";
  const char* separator = "";
  for (const auto& [name, value] : members) {
    json += separator + JsonString(name) + ": " + value;
    separator = ", ";
  }
  return json + "}";
}

std::string Array(const std::vector<std::string>& values) {
  std::string json = "[";
  const char* separator = "\n";
  for (const std::string& value : values) {
    json += separator + value;
    separator = ",\n";
  }
  return json + "]";
}

std::string JsonOf(const Figures& figures) {
  Members members;
  for (const Measure& measure : kMeasures) {
    members.emplace_back(measure.name, Number(figures.*measure.member));
  }
  return Object(members);
}

std::string JsonOf(const Cell& cell) {
  Members members = {{"workload", JsonString(cell.workload)},
                     {"allocator", JsonString(cell.allocator)},
                     {"status", JsonString(cell.status)}};
  if (!cell.ok()) return Object(members);
  std::vector<std::string> rounds;
  for (const Figures& round : cell.rounds) rounds.push_back(JsonOf(round));
  members.emplace_back("rounds", Array(rounds));
  members.emplace_back("median", JsonOf(QuantileOf(cell, 0.5)));
  members.emplace_back("low_quartile", JsonOf(QuantileOf(cell, 0.25)));
  members.emplace_back("high_quartile", JsonOf(QuantileOf(cell, 0.75)));
  Members details;
  for (const auto& [name, value] : MedianDetails(cell)) {
    details.emplace_back(name, Number(value));
  }
  if (!details.empty()) members.emplace_back("details", Object(details));
  return Object(members);
}

std::string JsonOf(const Allocator& allocator) {
  Members environment;
  for (const auto& [name, value] : allocator.environment) {
    environment.emplace_back(name, JsonString(value));
  }
  return Object({{"name", JsonString(allocator.name)},
                 {"path", JsonString(allocator.path)},
                 {"environment", Object(environment)}});
}

std::string JsonOf(const Machine& machine) {
  return Object(
      {{"cpu", JsonString(machine.cpu)},
       {"cores", std::to_string(machine.cores)},
       {"kernel", JsonString(machine.kernel)},
       {"memory_bytes", absl::StrFormat("%.0f", machine.memory_bytes)},
       {"date", JsonString(machine.date)},
       {"transparent_huge_pages", JsonString(machine.transparent_huge_pages)}});
}

// A ratio without a value, as of a peer that ran nothing, is null.
std::string JsonOf(const Comparison& comparison) {
  const auto ratio = [](double value) {
    return value > 0 ? Number(value) : std::string("null");
  };
  return Object({{"peer", JsonString(comparison.peer)},
                 {"time_ratio", ratio(comparison.time_ratio)},
                 {"cpu_ratio", ratio(comparison.cpu_ratio)},
                 {"rss_ratio", ratio(comparison.rss_ratio)},
                 {"workloads", std::to_string(comparison.workloads)}});
}

std::string JsonOf(const Workload& workload) {
  return Object({{"name", JsonString(workload.name)},
                 {"kind", JsonString(workload.kind)},
                 {"description", JsonString(workload.description)}});
}

template <typename Value>
std::string ArrayOf(const std::vector<Value>& values) {
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const Value& value : values) texts.push_back(JsonOf(value));
  return Array(texts);
}

}  // namespace

std::string JsonFigures(const Machine& machine, const Options& options,
                        const Plan& plan, const std::vector<Cell>& cells) {
  const std::string settings =
      Object({{"rounds", std::to_string(plan.rounds)},
              {"scale", Number(options.scale)},
              {"timeout_seconds", Number(options.timeout_seconds)}});
  return Object({{"version", "1"},
                 {"machine", JsonOf(machine)},
                 {"options", settings},
                 {"allocators", ArrayOf(plan.allocators)},
                 {"workloads", ArrayOf(plan.workloads)},
                 {"cells", ArrayOf(cells)},
                 {"summary", ArrayOf(CompareToPeers(cells, "myonly"))}}) +
         "\n";
}

}  // namespace myonly::bench
