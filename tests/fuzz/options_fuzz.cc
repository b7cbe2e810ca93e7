// The parser of the environment, given variables that a fuzzer makes up: what
// it reads is what a reader of the manual expects, and it changes nothing else.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <string>
#include <vector>

#include "allocator/options/options.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using myonly::internal::Options;
using myonly::internal::ParseOptions;

size_t complaints;

void Complain(const char* variable, const char* problem) {
  if (strncmp(variable, "MYONLY_", 7) != 0 || *problem == '\0') abort();
  ++complaints;
}

// A size as docs/options.md explains it. False: it is none.
bool SizeOf(const std::string& text, size_t* value) {
  const size_t digits = text.find_first_not_of("0123456789");
  const std::string number = text.substr(0, digits);
  const std::string unit =
      digits == std::string::npos ? "" : text.substr(digits);
  if (number.empty() || number.size() > 30 || unit.size() > 1) return false;
  unsigned __int128 result = 0;
  for (char digit : number) {
    result = result * 10 + static_cast<unsigned>(digit - '0');
  }
  if (unit == "K") result <<= 10;
  if (unit == "M") result <<= 20;
  if (unit == "G") result <<= 30;
  if (unit.find_first_not_of("KMG") != std::string::npos) return false;
  if (result > SIZE_MAX) return false;
  *value = static_cast<size_t>(result);
  return true;
}

// The words that are hard to guess, by a byte.
std::string Word(uint8_t byte) {
  static const char* const kWords[] = {"MYONLY_",
                                       "DIRTY_FLOOR=",
                                       "HUGE_CACHE=",
                                       "HELP=",
                                       "VERBOSE=",
                                       "1",
                                       "0",
                                       "K",
                                       "STATS_FILE=",
                                       "G",
                                       "99999",
                                       "BACKGROUND=",
                                       "18446744073709551615",
                                       "M",
                                       "HUGE_PAGES=",
                                       "="};
  return kWords[byte % 16];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> variables(1);
  for (size_t i = 0; i < size; ++i) {
    if (data[i] == 0) {
      variables.emplace_back();
    } else if (data[i] >= 128) {
      variables.back() += Word(data[i]);
    } else {
      variables.back() += static_cast<char>(data[i]);
    }
  }
  std::vector<const char*> environment;
  Options expected;
  size_t wrong_sizes = 0;
  const std::string name = "MYONLY_DIRTY_FLOOR=";
  for (const std::string& variable : variables) {
    environment.push_back(variable.c_str());
    if (variable.rfind(name, 0) != 0) continue;
    if (!SizeOf(variable.substr(name.size()), &expected.dirty_floor)) {
      ++wrong_sizes;
    }
  }
  environment.push_back(nullptr);
  Options options;
  complaints = 0;
  ParseOptions(environment.data(), &options, Complain);
  if (options.dirty_floor != expected.dirty_floor) abort();
  if (complaints < wrong_sizes || complaints > variables.size()) abort();
  if (options.stats_file != nullptr) {
    bool is_ours = false;
    for (const std::string& variable : variables) {
      is_ours |= options.stats_file > variable.c_str() &&
                 options.stats_file < variable.c_str() + variable.size();
    }
    if (!is_ours) abort();
  }
  return 0;
}
