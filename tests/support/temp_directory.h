// A directory of its own for one test, removed with everything in it at the
// end.
//
// It lies in /tmp and not in TEST_TMPDIR because the path of a Unix socket in
// it has to fit into 107 bytes.
#ifndef MYONLY_TESTS_SUPPORT_TEMP_DIRECTORY_H_
#define MYONLY_TESTS_SUPPORT_TEMP_DIRECTORY_H_

#include <string>

namespace myonly::testing {

class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_SUPPORT_TEMP_DIRECTORY_H_
