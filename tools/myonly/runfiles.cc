#include "tools/myonly/runfiles.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace myonly::tools {
namespace {

namespace fs = std::filesystem;

// The project's folder is called myonlymalloc, _main or myonlymalloc~0.1.0,
// by which Bazel it is and who builds it. So every folder is asked.
std::string FindBelow(const fs::path& runfiles, const std::string& path) {
  std::error_code error;
  for (const auto& folder : fs::directory_iterator(runfiles, error)) {
    const fs::path candidate = folder.path() / path;
    if (fs::exists(candidate, error)) {
      return fs::absolute(candidate, error).string();
    }
  }
  return "";
}

}  // namespace

std::string FindRunfileOf(const std::string& tool, const std::string& path) {
  std::string found = FindBelow(tool + ".runfiles", path);
  // A tool that lies in another's runfiles shares its tree.
  for (fs::path up = tool; found.empty() && up.has_relative_path();
       up = up.parent_path()) {
    if (up.extension() == ".runfiles") found = FindBelow(up, path);
  }
  return found;
}

std::string FindRunfile(const std::string& path) {
  std::error_code error;
  if (const char* runfiles = std::getenv("RUNFILES_DIR")) {
    if (std::string found = FindBelow(runfiles, path); !found.empty()) {
      return found;
    }
  }
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (std::string found = FindRunfileOf(self.string(), path); !found.empty()) {
    return found;
  }
  const fs::path here = fs::absolute(path, error);
  return fs::exists(here, error) ? here.string() : "";
}

}  // namespace myonly::tools
