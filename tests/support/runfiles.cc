#include "tests/support/runfiles.h"

#include <stdlib.h>
#include <unistd.h>

#include <string>

namespace myonly::testing {
namespace {

std::string CurrentDirectory() {
  char* directory = getcwd(nullptr, 0);
  std::string result = directory != nullptr ? directory : ".";
  free(directory);
  return result;
}

}  // namespace

std::string RunfilePath(const std::string& path) {
  // Bazel sets both for a test. Started by hand from the project's root, the
  // path itself is right.
  const char* root = getenv("TEST_SRCDIR");
  const char* workspace = getenv("TEST_WORKSPACE");
  if (root == nullptr || workspace == nullptr) {
    return CurrentDirectory() + "/" + path;
  }
  return std::string(root) + "/" + workspace + "/" + path;
}

}  // namespace myonly::testing
