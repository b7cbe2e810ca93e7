#include "tools/bench/cell.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tools/bench/statistics.h"

namespace myonly::bench {
namespace {

Comparison Compare(const std::vector<Cell>& cells, const std::string& name,
                   const std::string& peer) {
  Comparison comparison;
  comparison.peer = peer;
  std::vector<double> times, cpus, sizes;
  for (const Cell& cell : cells) {
    if (cell.allocator != name || !cell.ok()) continue;
    const Cell* other = FindCell(cells, cell.workload, peer);
    if (other == nullptr || !other->ok()) continue;
    const Figures own = QuantileOf(cell, 0.5);
    const Figures theirs = QuantileOf(*other, 0.5);
    times.push_back(own.wall_seconds / theirs.wall_seconds);
    // The kernel counts CPU time in ticks where nothing finer is configured.
    if (own.cpu_seconds > 0 && theirs.cpu_seconds > 0) {
      cpus.push_back(own.cpu_seconds / theirs.cpu_seconds);
    }
    sizes.push_back(own.peak_rss_bytes / theirs.peak_rss_bytes);
  }
  comparison.time_ratio = GeometricMean(times);
  comparison.cpu_ratio = GeometricMean(cpus);
  comparison.rss_ratio = GeometricMean(sizes);
  comparison.workloads = static_cast<int>(times.size());
  return comparison;
}

}  // namespace

Figures QuantileOf(const Cell& cell, double share) {
  Figures result;
  for (const Measure& measure : kMeasures) {
    std::vector<double> values;
    for (const Figures& round : cell.rounds) {
      values.push_back(round.*measure.member);
    }
    result.*measure.member = Quantile(values, share);
  }
  return result;
}

Details MedianDetails(const Cell& cell) {
  Details result;
  if (cell.details.empty()) return result;
  result = cell.details.front();
  for (auto& [name, value] : result) {
    std::vector<double> values;
    for (const Details& details : cell.details) {
      for (const auto& [other_name, other] : details) {
        if (other_name == name) values.push_back(other);
      }
    }
    value = Quantile(values, 0.5);
  }
  return result;
}

std::vector<Comparison> CompareToPeers(const std::vector<Cell>& cells,
                                       const std::string& name) {
  std::vector<Comparison> result;
  for (const Cell& cell : cells) {
    const bool known = std::any_of(
        result.begin(), result.end(),
        [&](const Comparison& c) { return c.peer == cell.allocator; });
    if (cell.allocator == name || known) continue;
    result.push_back(Compare(cells, name, cell.allocator));
  }
  return result;
}

const Cell* FindCell(const std::vector<Cell>& cells,
                     const std::string& workload,
                     const std::string& allocator) {
  for (const Cell& cell : cells) {
    if (cell.workload == workload && cell.allocator == allocator) return &cell;
  }
  return nullptr;
}

}  // namespace myonly::bench
