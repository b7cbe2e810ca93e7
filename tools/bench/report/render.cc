// Makes the page of a benchmark that was run before:
//
//   tools/bazel run //tools/bench/report:render -- FIGURES.json PAGE.html
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "tools/bench/report/page.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: render FIGURES.json PAGE.html\n", stderr);
    return 2;
  }
  // `bazel run` starts it elsewhere than where the user is.
  if (const char* folder = std::getenv("BUILD_WORKING_DIRECTORY")) {
    if (chdir(folder) != 0) std::perror(folder);
  }
  std::ifstream file(argv[1], std::ios::binary);
  std::ostringstream json;
  json << file.rdbuf();
  if (!file) {
    std::fprintf(stderr, "render: can't read %s\n", argv[1]);
    return 1;
  }
  std::string error;
  if (!myonly::bench::WriteReportPage(json.str(), argv[2], &error)) {
    std::fprintf(stderr, "render: %s\n", error.c_str());
    return 1;
  }
  return 0;
}
