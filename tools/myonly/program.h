// Which file a program name means, and whether LD_PRELOAD can work on it.
#ifndef MYONLY_TOOLS_MYONLY_PROGRAM_H_
#define MYONLY_TOOLS_MYONLY_PROGRAM_H_

#include <string>

namespace myonly::tools {

// Exit codes of the runner's own failures, as those of env(1) and timeout(1).
inline constexpr int kExitRunner = 125;
inline constexpr int kExitNotExecutable = 126;
inline constexpr int kExitNotFound = 127;
inline constexpr int kExitSignalBase = 128;

struct Program {
  std::string path;   // what to execute; empty if it can't be
  int exit_code = 0;  // then one of the above
  std::string error;  // and one line that says why
};

// `name` with a slash is a path; without one it is looked up in `search_path`
// (colon-separated, as $PATH), like a shell does.
Program FindProgram(const std::string& name, const std::string& search_path);

// Why a library can't be preloaded into the program at `path`: it is static, or
// of another word size, or setuid. Empty if nothing speaks against it. A script
// is judged by its interpreter.
std::string WhyNotPreloadable(const std::string& path);

}  // namespace myonly::tools

#endif  // MYONLY_TOOLS_MYONLY_PROGRAM_H_
