// Where a test finds the files it lists under `data`.
#ifndef MYONLY_TESTS_SUPPORT_RUNFILES_H_
#define MYONLY_TESTS_SUPPORT_RUNFILES_H_

#include <string>

namespace myonly::testing {

// The absolute path of `path`, which is given from the project's root, such as
// "capi/libmyonlymalloc.so".
std::string RunfilePath(const std::string& path);

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_SUPPORT_RUNFILES_H_
