#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "tools/bench/figures.h"

namespace myonly::bench {
namespace {

struct Table {
  const char* title;
  double Figures::*member;
  double unit;
};

std::string Value(const Table& table, double value) {
  const double scaled = value / table.unit;
  if (table.unit == 1) return absl::StrFormat("%.0f", scaled);
  return absl::StrFormat("%.1f", scaled);
}

// "223.1 0.67 +-1%": the median, over the base's, half the quartiles' distance.
std::string CellText(const Table& table, const Cell& cell, const Cell* base) {
  if (!cell.ok()) return cell.status;
  const double median = QuantileOf(cell, 0.5).*table.member;
  const double low = QuantileOf(cell, 0.25).*table.member;
  const double high = QuantileOf(cell, 0.75).*table.member;
  std::string text = Value(table, median);
  const double other =
      base != nullptr && base->ok() ? QuantileOf(*base, 0.5).*table.member : 0;
  if (base != &cell && other > 0) {
    absl::StrAppendFormat(&text, " %5.2f", median / other);
  }
  const double spread = median > 0 ? 50 * (high - low) / median : 0;
  absl::StrAppendFormat(&text, " +-%2.0f%%", spread);
  return text;
}

void AppendTable(const Table& table, const Plan& plan,
                 const std::vector<Cell>& cells, std::string* text) {
  const std::string& base_name = plan.allocators.front().name;
  std::vector<std::vector<std::string>> rows = {{table.title}};
  for (const Allocator& allocator : plan.allocators) {
    rows[0].push_back(allocator.name);
  }
  for (const Workload& workload : plan.workloads) {
    rows.push_back({workload.name});
    const Cell* base = FindCell(cells, workload.name, base_name);
    for (const Allocator& allocator : plan.allocators) {
      const Cell* cell = FindCell(cells, workload.name, allocator.name);
      rows.back().push_back(cell == nullptr ? "-"
                                            : CellText(table, *cell, base));
    }
  }
  for (const std::vector<std::string>& row : rows) {
    absl::StrAppendFormat(text, "%-18s", row[0]);
    for (size_t column = 1; column < row.size(); ++column) {
      size_t width = 12;
      for (const auto& other : rows) {
        width = std::max(width, std::min<size_t>(24, other[column].size()));
      }
      absl::StrAppendFormat(text, "  %*s", static_cast<int>(width),
                            row[column]);
    }
    *text += '\n';
  }
  *text += '\n';
}

void AppendDetails(const std::vector<Cell>& cells, std::string* text) {
  for (const Cell& cell : cells) {
    const Details details = MedianDetails(cell);
    if (details.empty()) continue;
    absl::StrAppendFormat(text, "%s on %s:", cell.workload, cell.allocator);
    for (const auto& [name, value] : details) {
      absl::StrAppendFormat(text, " %s %.0f", name, value);
    }
    *text += '\n';
  }
}

}  // namespace

std::string TextFigures(const Plan& plan, const std::vector<Cell>& cells) {
  const Table tables[] = {
      {"wall time, ms", &Figures::wall_seconds, 1e-3},
      {"CPU time, ms", &Figures::cpu_seconds, 1e-3},
      {"peak RSS, MiB", &Figures::peak_rss_bytes, 1024 * 1024},
      {"page faults", &Figures::page_faults, 1},
  };
  std::string text = absl::StrFormat(
      "Medians of %d rounds, their ratios to %s's, and +- half the distance "
      "of the quartiles\n\n",
      plan.rounds, plan.allocators.front().name);
  for (const Table& table : tables) AppendTable(table, plan, cells, &text);
  AppendDetails(cells, &text);
  text +=
      "\nmyonly over each peer, geometric means (below 1: myonly is "
      "ahead)\n";
  absl::StrAppendFormat(&text, "%-18s  %8s  %8s  %8s  %9s\n", "", "time", "CPU",
                        "peak RSS", "workloads");
  for (const Comparison& peer : CompareToPeers(cells, "myonly")) {
    absl::StrAppendFormat(&text, "%-18s  %8.3f  %8.3f  %8.3f  %9d\n", peer.peer,
                          peer.time_ratio, peer.cpu_ratio, peer.rss_ratio,
                          peer.workloads);
  }
  return text;
}

}  // namespace myonly::bench
