#include "tools/myonly/report.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"

namespace myonly::tools {
namespace {

constexpr size_t kMaxNamedProcesses = 6;

std::string FormatSeconds(double seconds) {
  return absl::StrFormat("%.3f s", seconds);
}
std::string FormatMib(double kib) {
  return absl::StrFormat("%.1f MiB", kib / 1024);
}
std::string FormatCount(double count) {
  return GroupDigits(std::llround(count));
}

// One line of the table and one member of the JSON object.
struct Row {
  const char* label;
  const char* json_name;
  double (*value)(const LaunchResult& run);
  std::string (*format)(double value);
};

constexpr Row kRows[] = {
    {"wall time", "wall_seconds",
     [](const LaunchResult& run) { return run.wall_seconds; }, FormatSeconds},
    {"CPU time", "cpu_seconds",
     [](const LaunchResult& run) {
       return run.user_seconds + run.system_seconds;
     },
     FormatSeconds},
    {"  of it, user", "user_seconds",
     [](const LaunchResult& run) { return run.user_seconds; }, FormatSeconds},
    {"  of it, system", "system_seconds",
     [](const LaunchResult& run) { return run.system_seconds; }, FormatSeconds},
    {"peak RSS", "peak_rss_kib",
     [](const LaunchResult& run) {
       return static_cast<double>(run.peak_rss_kib);
     },
     FormatMib},
    {"page faults", "page_faults",
     [](const LaunchResult& run) {
       return static_cast<double>(run.page_faults);
     },
     FormatCount},
    {"exit code", "exit_code",
     [](const LaunchResult& run) { return static_cast<double>(run.exit_code); },
     FormatCount},
};

double MedianOf(const Side& side, const Row& row) {
  std::vector<double> values;
  for (const LaunchResult& run : side.runs) values.push_back(row.value(run));
  return Median(values);
}

std::string Join(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    line += (line.empty() ? "" : " ") + word;
  }
  return line;
}

void AppendRow(const Measurement& measurement, const Row& row,
               std::string* text) {
  absl::StrAppendFormat(text, "  %-16s", row.label);
  for (const Side& side : measurement.sides) {
    absl::StrAppendFormat(
        text, "%16s",
        side.runs.empty() ? std::string("-") : row.format(MedianOf(side, row)));
  }
  if (measurement.sides.size() > 1 &&
      std::strcmp(row.json_name, "exit_code") != 0) {
    const double other = MedianOf(measurement.sides.back(), row);
    if (other > 0) {
      absl::StrAppendFormat(text, "%9.2f",
                            MedianOf(measurement.sides.front(), row) / other);
    }
  }
  *text += '\n';
}

// Two allocators, or two runs, that end differently are worth a look.
bool ExitCodesDiffer(const Measurement& measurement) {
  for (const Side& side : measurement.sides) {
    for (const LaunchResult& run : side.runs) {
      if (run.exit_code != measurement.exit_code) return true;
    }
  }
  return false;
}

void AppendAllocations(const Measurement& measurement, std::string* text) {
  absl::StrAppendFormat(text, "  %-16s", "allocations");
  for (const Side& side : measurement.sides) {
    absl::StrAppendFormat(text, "%16s",
                          side.processes.empty()
                              ? std::string("not counted")
                              : GroupDigits(TotalAllocations(side.processes)));
  }
  *text += '\n';
}

void AppendProof(const Measurement& measurement, std::string* text) {
  if (!measurement.greeting.empty()) {
    absl::StrAppendFormat(text, "  the library says: %s\n",
                          measurement.greeting);
  }
  const std::vector<ProcessStats>& processes =
      measurement.sides.front().processes;
  if (processes.empty()) {
    *text +=
        "  NO PROOF that malloc was ours: no process of the program told so\n"
        "  (it has its own malloc, was killed, or left through _exit)\n";
    return;
  }
  absl::StrAppendFormat(text,
                        "  malloc was ours in %d process%s:", processes.size(),
                        processes.size() == 1 ? "" : "es");
  for (size_t i = 0; i < processes.size() && i < kMaxNamedProcesses; ++i) {
    absl::StrAppendFormat(text, "\n    %s (pid %d): %s allocations, %s frees",
                          processes[i].program, processes[i].pid,
                          GroupDigits(processes[i].allocations),
                          GroupDigits(processes[i].frees));
  }
  if (processes.size() > kMaxNamedProcesses) {
    absl::StrAppendFormat(text, "\n    and %d more",
                          processes.size() - kMaxNamedProcesses);
  }
  *text += '\n';
}

std::string JsonSide(const Side& side) {
  std::string json = absl::StrFormat(
      "    {\"name\": %s, \"library\": %s", JsonString(side.name),
      side.library.empty() ? std::string("null") : JsonString(side.library));
  for (const Row& row : kRows) {
    absl::StrAppendFormat(&json, ", \"%s\": ", row.json_name);
    if (side.runs.empty()) {
      json += "null";
    } else {
      absl::StrAppendFormat(&json, "%.10g", MedianOf(side, row));
    }
  }
  const int signal = side.runs.empty() ? 0 : side.runs.back().signal;
  absl::StrAppendFormat(&json, ", \"signal\": %d", signal);
  if (side.processes.empty()) {
    json += ", \"allocations\": null";
  } else {
    absl::StrAppendFormat(&json, ", \"allocations\": %d",
                          TotalAllocations(side.processes));
  }
  json += ", \"processes\": [";
  const char* separator = "";
  for (const ProcessStats& process : side.processes) {
    absl::StrAppendFormat(&json,
                          "%s{\"pid\": %d, \"program\": %s, "
                          "\"allocations\": %d, \"frees\": %d, "
                          "\"peak_live_bytes\": %d}",
                          separator, process.pid, JsonString(process.program),
                          process.allocations, process.frees,
                          process.peak_live_bytes);
    separator = ", ";
  }
  return json + "]}";
}

}  // namespace

std::string TextReport(const Measurement& measurement) {
  std::string text = absl::StrFormat("%s\n", Join(measurement.arguments));
  if (measurement.rounds > 1) {
    absl::StrAppendFormat(&text,
                          "  medians of %d rounds in turn, after a warm-up\n",
                          measurement.rounds);
  }
  absl::StrAppendFormat(&text, "\n  %-16s", "");
  for (const Side& side : measurement.sides) {
    absl::StrAppendFormat(&text, "%16s", side.name);
  }
  text += measurement.sides.size() > 1 ? "    ratio\n" : "\n";
  for (const Row& row : kRows) AppendRow(measurement, row, &text);
  AppendAllocations(measurement, &text);
  if (ExitCodesDiffer(measurement)) text += "  THE EXIT CODES DIFFER\n";
  text += '\n';
  AppendProof(measurement, &text);
  return text;
}

std::string JsonReport(const Measurement& measurement) {
  std::string json = "{\n  \"program\": [";
  const char* separator = "";
  for (const std::string& argument : measurement.arguments) {
    json += separator + JsonString(argument);
    separator = ", ";
  }
  absl::StrAppendFormat(&json,
                        "],\n  \"rounds\": %d,\n  \"exit_code\": %d,\n"
                        "  \"proof\": %s,\n  \"allocators\": [\n",
                        measurement.rounds, measurement.exit_code,
                        JsonString(measurement.greeting));
  separator = "";
  for (const Side& side : measurement.sides) {
    json += separator + JsonSide(side);
    separator = ",\n";
  }
  return json + "\n  ]\n}\n";
}

std::string SignalReport(const Measurement& measurement) {
  std::string text;
  for (const Side& side : measurement.sides) {
    for (const LaunchResult& run : side.runs) {
      if (run.signal == 0) continue;
      absl::StrAppendFormat(&text, "%s was killed by signal %d (%s) on %s\n",
                            measurement.arguments.front(), run.signal,
                            strsignal(run.signal), side.name);
    }
  }
  return text;
}

std::string GroupDigits(int64_t number) {
  std::string text = std::to_string(number);
  const size_t first = number < 0 ? 1 : 0;
  for (size_t i = text.size(); i > first + 3;) {
    i -= 3;
    text.insert(i, 1, ',');
  }
  return text;
}

std::string JsonString(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&json, "\\u%04x", c);
    } else {
      json += c;
    }
  }
  return json + '"';
}

}  // namespace myonly::tools
