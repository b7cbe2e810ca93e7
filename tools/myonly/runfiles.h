// Finds the files that the build put beside a tool (its runfiles).
#ifndef MYONLY_TOOLS_MYONLY_RUNFILES_H_
#define MYONLY_TOOLS_MYONLY_RUNFILES_H_

#include <string>

namespace myonly::tools {

// The absolute path of the file at `path` in this project ("capi/lib.so"), or
// "" if it isn't there. Looks below $RUNFILES_DIR, below "TOOL.runfiles" and in
// the working directory; whatever name the build gave the project's folder.
std::string FindRunfile(const std::string& path);

// The same, for the tool at `tool`, and without the environment.
std::string FindRunfileOf(const std::string& tool, const std::string& path);

}  // namespace myonly::tools

#endif  // MYONLY_TOOLS_MYONLY_RUNFILES_H_
