#include "tests/support/temp_directory.h"

#include <stdio.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace myonly::testing {

TempDirectory::TempDirectory() {
  char name[] = "/tmp/myonly_XXXXXX";
  if (mkdtemp(name) == nullptr) {
    perror("mkdtemp");
    abort();
  }
  path_ = name;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace myonly::testing
