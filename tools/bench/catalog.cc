#include "tools/bench/catalog.h"

#include <fnmatch.h>

#include <string>
#include <vector>

#include "absl/strings/str_format.h"

namespace myonly::bench {

const std::vector<Workload>& AllWorkloads() {
  static const std::vector<Workload> workloads = {
#define WORKLOAD(name, kind, function, description) {name, kind, description},
#include "tools/bench/workloads/workloads.def"
#undef WORKLOAD
      {"compiler", "program", "g++ -O1 compiles a source of this project"},
      {"python3", "program", "objects, dictionaries, strings and JSON"},
      {"redis", "program", "redis-server under redis-benchmark; the server's"},
      {"sqlite3", "program", "tables in memory: insert, index, join, delete"},
      {"perl", "program", "hashes, arrays, strings and patterns"},
  };
  return workloads;
}

std::string SelectWorkloads(const std::vector<std::string>& patterns,
                            std::vector<Workload>* selected) {
  for (const std::string& pattern : patterns) {
    bool any = false;
    for (const Workload& workload : AllWorkloads()) {
      any = any || fnmatch(pattern.c_str(), workload.name.c_str(), 0) == 0;
    }
    if (!any) {
      return "--workload=" + pattern + ": no such workload; --list lists them";
    }
  }
  for (const Workload& workload : AllWorkloads()) {
    // The figures of the others are details; how long they take says nothing.
    bool wanted = patterns.empty() && workload.kind != "memory" &&
                  workload.kind != "sizes";
    for (const std::string& pattern : patterns) {
      wanted =
          wanted || fnmatch(pattern.c_str(), workload.name.c_str(), 0) == 0;
    }
    if (wanted) selected->push_back(workload);
  }
  return "";
}

std::string ListWorkloads() {
  std::string text;
  for (const Workload& workload : AllWorkloads()) {
    absl::StrAppendFormat(&text, "%-18s %-8s %s\n", workload.name,
                          workload.kind, workload.description);
  }
  return text;
}

}  // namespace myonly::bench
