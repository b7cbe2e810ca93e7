// A folder that goes away with the object.
#ifndef MYONLY_TOOLS_MYONLY_TEMPORARY_FOLDER_H_
#define MYONLY_TOOLS_MYONLY_TEMPORARY_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace myonly::tools {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code error;
    std::string name = std::filesystem::temp_directory_path(error).string();
    if (error) name = "/tmp";
    name += "/myonly.XXXXXX";
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace myonly::tools

#endif  // MYONLY_TOOLS_MYONLY_TEMPORARY_FOLDER_H_
