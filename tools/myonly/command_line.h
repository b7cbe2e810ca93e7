// What the user typed after "myonly".
#ifndef MYONLY_TOOLS_MYONLY_COMMAND_LINE_H_
#define MYONLY_TOOLS_MYONLY_COMMAND_LINE_H_

#include <string>
#include <vector>

namespace myonly::tools {

// Everything before the first "--" is the runner's, everything after it the
// program's: the runner never looks at the program's arguments.
struct SplitArguments {
  std::vector<std::string> own;  // with the runner's name as the first
  bool has_separator = false;
  std::vector<std::string> program;
};
SplitArguments Split(int argc, const char* const* argv);

// One --allocator: NAME=PATH. False if it isn't of that form.
bool ParseAllocator(const std::string& text, std::string* name,
                    std::string* path);

// The text of --help.
std::string Usage();

}  // namespace myonly::tools

#endif  // MYONLY_TOOLS_MYONLY_COMMAND_LINE_H_
