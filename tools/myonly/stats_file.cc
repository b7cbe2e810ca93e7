#include "tools/myonly/stats_file.h"

#include <charconv>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

namespace myonly::tools {
namespace {

bool ParseNumber(const std::string& text, int64_t* number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *number);
  return error == std::errc() && stop == end && *number >= 0;
}

// The text between " name=" and the next " other=" or the end: a program's name
// may have spaces. False if there is no such field.
bool Field(const std::string& line, const std::string& name,
           std::string* value) {
  const std::string key = " " + name + "=";
  const size_t start = line.find(key);
  if (start == std::string::npos) return false;
  *value = line.substr(start + key.size());
  const size_t equals = value->find('=');
  if (equals == std::string::npos) return true;
  const size_t space = value->rfind(' ', equals);
  if (space == std::string::npos) return false;
  value->resize(space);
  return true;
}

bool NumberField(const std::string& line, const std::string& name,
                 int64_t* number) {
  std::string text;
  return Field(line, name, &text) && ParseNumber(text, number);
}

}  // namespace

bool ParseStatsLine(const std::string& line, ProcessStats* stats) {
  ProcessStats parsed;
  if (line.compare(0, 7, "myonly ") != 0) return false;
  if (!NumberField(line, "pid", &parsed.pid) ||
      !Field(line, "program", &parsed.program) ||
      !NumberField(line, "allocations", &parsed.allocations) ||
      !NumberField(line, "frees", &parsed.frees) ||
      !NumberField(line, "peak_live_bytes", &parsed.peak_live_bytes)) {
    return false;
  }
  *stats = parsed;
  return true;
}

std::vector<ProcessStats> ReadStatsFile(const std::string& path) {
  std::vector<ProcessStats> processes;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    ProcessStats stats;
    if (ParseStatsLine(line, &stats)) processes.push_back(stats);
  }
  return processes;
}

int64_t TotalAllocations(const std::vector<ProcessStats>& processes) {
  int64_t total = 0;
  for (const ProcessStats& process : processes) total += process.allocations;
  return total;
}

}  // namespace myonly::tools
