#include "tools/bench/options.h"

#include <cctype>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace myonly::bench {
namespace {

constexpr int kMaxRounds = 1000;

// A number above 0, or `what` is stored in `error`.
bool ParseNumber(const std::string& option, const std::string& value,
                 double highest, double* number, std::string* error) {
  char* end = nullptr;
  *number = std::strtod(value.c_str(), &end);
  const bool whole = !value.empty() && *end == 0;
  if (whole && *number > 0 && *number <= highest) return true;
  std::ostringstream text;
  text << option << "=" << value << ": must be above 0 and at most " << highest;
  *error = text.str();
  return false;
}

bool IsVariable(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return false;
  for (size_t i = 0; i < equals; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c != '_' && std::isalpha(c) == 0 && (i == 0 || std::isdigit(c) == 0)) {
      return false;
    }
  }
  return true;
}

class Parser {
 public:
  Parser(const std::vector<std::string>& arguments, Options* options)
      : arguments_(arguments), options_(*options) {}

  std::string Parse() {
    for (at_ = 0; at_ < arguments_.size() && error_.empty(); ++at_) {
      const std::string& argument = arguments_[at_];
      const size_t equals = argument.find('=');
      const std::string option = argument.substr(0, equals);
      if (argument == "--help" || argument == "-h") {
        options_.help = true;
      } else if (argument == "--list") {
        options_.list = true;
      } else if (!TakesValue(option)) {
        error_ = argument + ": no such option; --help lists them";
      } else if (equals != std::string::npos) {
        Take(option, argument.substr(equals + 1));
      } else if (at_ + 1 == arguments_.size()) {
        error_ = option + ": its value is missing";
      } else {
        Take(option, arguments_[++at_]);
      }
    }
    return error_;
  }

 private:
  static bool TakesValue(const std::string& option) {
    for (const char* known : {"--allocator", "--json", "--report", "--rounds",
                              "--scale", "--timeout", "--workload"}) {
      if (option == known) return true;
    }
    return false;
  }

  void Take(const std::string& option, const std::string& value) {
    if (value.empty()) {
      error_ = option + ": its value is empty";
    } else if (option == "--allocator") {
      TakeAllocator(value);
    } else if (option == "--workload") {
      std::istringstream list(value);
      for (std::string name; std::getline(list, name, ',');) {
        if (!name.empty()) options_.workloads.push_back(name);
      }
    } else if (option == "--json") {
      options_.json_file = value;
    } else if (option == "--report") {
      options_.report_file = value;
    } else if (option == "--scale") {
      ParseNumber(option, value, 1000, &options_.scale, &error_);
    } else if (option == "--timeout") {
      ParseNumber(option, value, 86400, &options_.timeout_seconds, &error_);
    } else {
      TakeRounds(option, value);
    }
  }

  void TakeRounds(const std::string& option, const std::string& value) {
    double number = 0;
    if (!ParseNumber(option, value, kMaxRounds, &number, &error_)) return;
    options_.rounds = static_cast<int>(number);
    if (options_.rounds != number) {
      error_ = option + "=" + value + ": must be a whole number";
    }
  }

  void TakeAllocator(const std::string& value) {
    Allocator allocator;
    if (!ParseAllocator(value, &allocator)) {
      error_ = "--allocator=" + value +
               ": neither NAME nor NAME=PATH, with ,VARIABLE=VALUE or without";
      return;
    }
    bool twice = allocator.name == "glibc" || allocator.name == "myonly";
    for (const Allocator& other : options_.allocators) {
      twice = twice || other.name == allocator.name;
    }
    if (twice) {
      error_ = "--allocator=" + value + ": " + allocator.name +
               " takes part already; another name tells them apart";
    }
    options_.allocators.push_back(allocator);
  }

  const std::vector<std::string>& arguments_;
  Options& options_;
  size_t at_ = 0;
  std::string error_;
};

}  // namespace

std::string ParseOptions(const std::vector<std::string>& arguments,
                         Options* options) {
  return Parser(arguments, options).Parse();
}

bool ParseAllocator(const std::string& text, Allocator* allocator) {
  std::istringstream parts(text);
  std::string head;
  std::getline(parts, head, ',');
  const size_t equals = head.find('=');
  allocator->name = head.substr(0, equals);
  allocator->path = equals == std::string::npos ? "" : head.substr(equals + 1);
  if (allocator->name.empty()) return false;
  if (equals != std::string::npos && allocator->path.empty()) return false;
  for (std::string part; std::getline(parts, part, ',');) {
    auto& environment = allocator->environment;
    if (IsVariable(part)) {
      const size_t end = part.find('=');
      environment.emplace_back(part.substr(0, end), part.substr(end + 1));
    } else if (environment.empty()) {
      return false;
    } else {
      environment.back().second += "," + part;
    }
  }
  return true;
}

std::string Usage() {
  return R"(Compares memory allocators on the project's workloads and on programs.

  tools/bazel run //tools/bench -- [OPTIONS]

glibc and myonly take part always. Each allocator is preloaded (LD_PRELOAD) in
turn, round by round; a warm-up round doesn't count. At the end: medians of
time, CPU, peak RSS and page faults, their ratios to glibc's, and geometric
means against each peer.

  --allocator=NAME=PATH.so    one more allocator; may be given several times
  --allocator=NAME            jemalloc, tcmalloc or mimalloc of Debian: found,
                              or installed by apt-get when root
  --allocator=...,VAR=VALUE   with this in its environment; NAME=glibc,VAR=...
                              and NAME=myonly,VAR=... give those two options
  --workload=NAME[,NAME...]   only these; * and ? are wild; may be repeated
  --list                      prints the workloads and ends
  --rounds=N                  rounds that count (5)
  --scale=X                   so many times the usual work (1)
  --timeout=SECONDS           a run that takes longer is killed (60)
  --json=FILE                 writes all figures
  --report=FILE.html          writes them as a page with charts
  --help

A relative path is relative to the folder you call it in. Exit code: 0, or 1 if
a run crashed, gave a wrong answer, failed or timed out or a file couldn't be
written, 2 for wrong options, 130 after Ctrl-C.
)";
}

}  // namespace myonly::bench
