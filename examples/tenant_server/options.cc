#include "examples/tenant_server/options.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

namespace myonly::tenant_server {
namespace {

struct Row {
  const char* name;
  long Options::*value;
  long least;
  long most;
  const char* meaning;
};

constexpr Row kRows[] = {
    {"--port", &Options::port, 0, 65535,
     "port on 127.0.0.1; 0 takes any that is free"},
    {"--threads", &Options::threads, 1, 256,
     "threads, each serves one connection at a time"},
    {"--service-limit-mb", &Options::service_limit_mb, 1, 1 << 20,
     "limit of all tenants and requests together, in MiB"},
    {"--tenant-limit-mb", &Options::tenant_limit_mb, 1, 1 << 20,
     "limit of a tenant that asks for no other, in MiB"},
    {"--soft-percent", &Options::soft_percent, 1, 100,
     "per cent of its limit at which a tenant's cache entries go"},
    {"--request-limit-mb", &Options::request_limit_mb, 1, 1 << 20,
     "limit of one request's working memory, in MiB"},
    {"--exact-bytes", &Options::exact_bytes, 0, 1,
     "1: limits count bytes of live blocks; 0: pages that are held"},
};

const Row* FindRow(const std::string& name) {
  for (const Row& row : kRows) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

// "" or what is wrong.
std::string Take(const Row& row, const std::string& text, Options* options) {
  char* end = nullptr;
  errno = 0;
  const long value = std::strtol(text.c_str(), &end, 10);
  const bool whole = !text.empty() && *end == 0 && errno == 0;
  if (!whole || value < row.least || value > row.most) {
    return std::string(row.name) + "=" + text + ": must be a number from " +
           std::to_string(row.least) + " to " + std::to_string(row.most);
  }
  options->*row.value = value;
  return "";
}

}  // namespace

std::string ParseOptions(const std::vector<std::string>& arguments,
                         Options* options) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      options->help = true;
      continue;
    }
    const size_t equals = argument.find('=');
    const Row* row = FindRow(argument.substr(0, equals));
    if (row == nullptr) return argument + ": no such option; see --help";
    if (equals == std::string::npos && i + 1 == arguments.size()) {
      return argument + ": its value is missing";
    }
    const std::string error =
        Take(*row,
             equals == std::string::npos ? arguments[++i]
                                         : argument.substr(equals + 1),
             options);
    if (!error.empty()) return error;
  }
  return "";
}

std::string Usage() {
  const Options defaults;
  std::string text =
      "A key-value and text service on 127.0.0.1, an arena for each tenant.\n"
      "\n"
      "  tools/bazel run //examples/tenant_server -- OPTIONS\n\n";
  for (const Row& row : kRows) {
    std::string line = std::string("  ") + row.name + "=N";
    line.resize(26, ' ');
    text +=
        line + row.meaning + " (" + std::to_string(defaults.*row.value) + ")\n";
  }
  return text + "  --help\n";
}

}  // namespace myonly::tenant_server
