// The options of the process, from the environment, by the table options.def.
// Plain data; written once at start.
#ifndef MYONLY_ALLOCATOR_OPTIONS_OPTIONS_H_
#define MYONLY_ALLOCATOR_OPTIONS_OPTIONS_H_

#include <cstddef>

namespace myonly::internal {

using OptionFlag = bool;
using OptionSize = size_t;
using OptionText = const char*;  // points into the environment

struct Options {
#define MYONLY_OPTION(type, field, name, value, help) \
  Option##type field = value;
#include "allocator/options/options.def"
#undef MYONLY_OPTION
};

// Reads the variables MYONLY_* of `environment` (as main's third argument; may
// be NULL) into `options`. A variable that names no option or has a bad value
// is told through `complain(variable, problem)` and ignored. A program with
// more rights than its caller takes no orders from it: the file of the
// statistics would be written with the program's rights.
void ParseOptions(const char* const* environment, Options* options,
                  void (*complain)(const char* variable, const char* problem));

// Calls line(ctx, name, type, default, help) for each row of the table.
void VisitOptions(void (*line)(void* ctx, const char* name, const char* type,
                               const char* value, const char* help),
                  void* ctx);

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_OPTIONS_OPTIONS_H_
