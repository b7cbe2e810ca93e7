#include "tests/docs/project_files.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace myonly::testing {
namespace {

namespace fs = std::filesystem;

// This package's BUILD is a link into the checkout.
fs::path Root() {
  const char* runfiles = std::getenv("TEST_SRCDIR");
  const char* workspace = std::getenv("TEST_WORKSPACE");
  if (runfiles == nullptr || workspace == nullptr) return fs::current_path();
  const fs::path link = fs::path(runfiles) / workspace / "tests/docs/BUILD";
  return fs::canonical(link).parent_path().parent_path().parent_path();
}

// Bazel's links to its outputs, what cargo and npm make, and version control.
bool IsOutput(const std::string& name) {
  return name.rfind("bazel-", 0) == 0 || name == "target" || name == ".git";
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("can't read " + path.string());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::map<std::string, std::string> ReadAll() {
  const fs::path root = Root();
  std::map<std::string, std::string> files;
  for (fs::recursive_directory_iterator it(root), end; it != end; ++it) {
    if (IsOutput(it->path().filename().string())) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file()) {
      files[it->path().lexically_relative(root).string()] =
          ReadFile(it->path());
    }
  }
  // From a wrong root everything would pass, with nothing checked.
  if (files.count("MODULE.bazel") == 0 || files.count("README.md") == 0) {
    throw std::runtime_error(root.string() + " isn't the project's root");
  }
  return files;
}

}  // namespace

const std::map<std::string, std::string>& ProjectFiles() {
  static const auto* files = new std::map<std::string, std::string>(ReadAll());
  return *files;
}

bool Exists(const std::string& path) {
  if (path.empty() || path == ".") return true;
  const auto& files = ProjectFiles();
  if (files.count(path) != 0) return true;
  const std::string folder = path.back() == '/' ? path : path + "/";
  const auto below = files.lower_bound(folder);
  return below != files.end() && below->first.rfind(folder, 0) == 0;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

}  // namespace myonly::testing
