#include "allocator/options/options.h"

#include <sys/auxv.h>

#include <cstdint>
#include <cstring>

namespace myonly::internal {
namespace {

constexpr char kPrefix[] = "MYONLY_";
constexpr size_t kPrefixLength = sizeof(kPrefix) - 1;

// Variables of the same prefix that tools of this project read: not ours, not
// wrong.
constexpr const char* kToolVariables[] = {"BOOTSTRAP", "DEPS", "FORKY_ROOT",
                                          "FUZZ_SECONDS"};

bool Parse(const char* text, OptionFlag* value) {
  if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0) return false;
  *value = text[0] == '1';
  return true;
}

bool Parse(const char* text, OptionText* value) {
  if (*text == '\0') return false;
  *value = text;
  return true;
}

bool Parse(const char* text, OptionSize* value) {
  uint64_t number = 0;
  const char* digit = text;
  for (; *digit >= '0' && *digit <= '9'; ++digit) {
    const auto units = static_cast<uint64_t>(*digit - '0');
    if (number > (SIZE_MAX - units) / 10) return false;
    number = number * 10 + units;
  }
  if (digit == text) return false;
  int shift = 0;
  switch (*digit) {
    case 'K':
      shift = 10;
      break;
    case 'M':
      shift = 20;
      break;
    case 'G':
      shift = 30;
      break;
    default:
      break;
  }
  if (shift != 0) ++digit;
  if (*digit != '\0' || number > (SIZE_MAX >> shift)) return false;
  *value = static_cast<size_t>(number << shift);
  return true;
}

// `text` is "NAME=value", the prefix cut off.
bool HasName(const char* text, const char* name) {
  const size_t length = strlen(name);
  return strncmp(text, name, length) == 0 && text[length] == '=';
}

const char* ParseVariable(const char* text, Options* options) {
#define MYONLY_OPTION(type, field, name, value, help)       \
  if (HasName(text, name)) {                                \
    return Parse(strchr(text, '=') + 1, &options->field)    \
               ? nullptr                                    \
               : "has a bad value (a " #type " is wanted)"; \
  }
#include "allocator/options/options.def"
#undef MYONLY_OPTION
  for (const char* name : kToolVariables) {
    if (HasName(text, name)) return nullptr;
  }
  return "is not an option";
}

}  // namespace

void ParseOptions(const char* const* environment, Options* options,
                  void (*complain)(const char* variable, const char* problem)) {
  if (environment == nullptr) return;
  for (; *environment != nullptr; ++environment) {
    const char* variable = *environment;
    if (strncmp(variable, kPrefix, kPrefixLength) != 0) continue;
    // Asked only now: a small program would be larger by what getauxval is on.
    if (getauxval(AT_SECURE) != 0) return;
    const char* problem = ParseVariable(variable + kPrefixLength, options);
    if (problem != nullptr) complain(variable, problem);
  }
}

void VisitOptions(void (*line)(void* ctx, const char* name, const char* type,
                               const char* value, const char* help),
                  void* ctx) {
#define MYONLY_OPTION(type, field, name, value, help) \
  line(ctx, "MYONLY_" name, #type, #value, help);
#include "allocator/options/options.def"
#undef MYONLY_OPTION
}

}  // namespace myonly::internal
