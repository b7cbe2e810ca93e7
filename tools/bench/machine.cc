#include "tools/bench/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <string>

namespace myonly::bench {
namespace {

// The value of the first line of /proc/cpuinfo that names the processor.
std::string CpuName(const std::string& otherwise) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.compare(0, 10, "model name") == 0 && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return otherwise;
}

// The word in brackets.
std::string ChosenWord(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  const size_t open = line.find('[');
  const size_t close = line.find(']');
  if (open == std::string::npos || close == std::string::npos) return "unknown";
  return line.substr(open + 1, close - open - 1);
}

}  // namespace

Machine DescribeMachine() {
  Machine machine;
  utsname system{};
  uname(&system);
  machine.kernel = system.release;
  machine.cpu = CpuName(system.machine);
  machine.cores = sysconf(_SC_NPROCESSORS_ONLN);
  machine.memory_bytes = static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                         static_cast<double>(sysconf(_SC_PAGESIZE));
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char date[32];
  std::strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &utc);
  machine.date = date;
  machine.transparent_huge_pages =
      ChosenWord("/sys/kernel/mm/transparent_hugepage/enabled");
  return machine;
}

}  // namespace myonly::bench
