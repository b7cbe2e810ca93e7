// The command line of the tenant server.
#ifndef MYONLY_EXAMPLES_TENANT_SERVER_OPTIONS_H_
#define MYONLY_EXAMPLES_TENANT_SERVER_OPTIONS_H_

#include <cstddef>
#include <string>
#include <vector>

namespace myonly::tenant_server {

struct Options {
  long port = 8080;  // 0: any that is free
  long threads = 32;
  long service_limit_mb = 512;
  long tenant_limit_mb = 64;
  long soft_percent = 75;
  long request_limit_mb = 16;
  long exact_bytes = 1;  // 0: limits count pages
  bool help = false;
};

inline constexpr size_t kMebibyte = size_t{1} << 20;

// Stores what `arguments` (without the program's name) say. Returns what is
// wrong, naming the option, or "".
std::string ParseOptions(const std::vector<std::string>& arguments,
                         Options* options);

std::string Usage();

}  // namespace myonly::tenant_server

#endif  // MYONLY_EXAMPLES_TENANT_SERVER_OPTIONS_H_
