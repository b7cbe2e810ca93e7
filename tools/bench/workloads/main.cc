// workload NAME [--scale X]: runs one workload and prints what it did.
//
// It prints "operations=N", "checksum=HEX" and "detail NAME=VALUE", a line
// each. Exit code 2 for wrong arguments, 3 when memory runs out.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tools/bench/workloads/workload.h"

namespace myonly::bench {
namespace {

struct Entry {
  const char* name;
  void (*run)(double scale, Outcome* outcome);
};

constexpr Entry kEntries[] = {
#define WORKLOAD(name, kind, function, description) {name, function},
#include "tools/bench/workloads/workloads.def"
#undef WORKLOAD
};

int Fail(const char* what, const char* word) {
  std::fprintf(stderr, "workload: %s: %s\n", word, what);
  return 2;
}

int Main(int argc, char** argv) {
  double scale = 1;
  if (argc == 4 && std::strcmp(argv[2], "--scale") == 0) {
    char* end = nullptr;
    scale = std::strtod(argv[3], &end);
    if (*end != 0 || !(scale > 0)) return Fail("not a scale", argv[3]);
  } else if (argc != 2) {
    return Fail("expected NAME [--scale X]", argv[0]);
  }
  for (const Entry& entry : kEntries) {
    if (std::strcmp(entry.name, argv[1]) != 0) continue;
    Outcome outcome;
    entry.run(scale, &outcome);
    std::printf("operations=%" PRIu64 "\nchecksum=%016" PRIx64 "\n",
                outcome.operations, outcome.checksum);
    for (const auto& [name, value] : outcome.details) {
      std::printf("detail %s=%.1f\n", name.c_str(), value);
    }
    return std::fflush(stdout) == 0 ? 0 : 3;
  }
  return Fail("no such workload", argv[1]);
}

}  // namespace
}  // namespace myonly::bench

int main(int argc, char** argv) { return myonly::bench::Main(argc, argv); }
