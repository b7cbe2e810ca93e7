// The files of the project, as a checkout has them, without build outputs.
#ifndef MYONLY_TESTS_DOCS_PROJECT_FILES_H_
#define MYONLY_TESTS_DOCS_PROJECT_FILES_H_

#include <map>
#include <string>

namespace myonly::testing {

// Path from the project's root -> content. Read once; throws on error.
const std::map<std::string, std::string>& ProjectFiles();

// A file or folder of the project; "" is its root.
bool Exists(const std::string& path);

std::string FolderOf(const std::string& path);

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_DOCS_PROJECT_FILES_H_
