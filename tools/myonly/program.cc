#include "tools/myonly/program.h"

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace myonly::tools {
namespace {

// The kernel follows as many.
constexpr int kMaxInterpreters = 5;

Program Failure(int exit_code, std::string error) {
  Program program;
  program.exit_code = exit_code;
  program.error = std::move(error);
  return program;
}

// The interpreter of the "#!" line at the start of `head`; empty if there is
// none.
std::string InterpreterOf(const std::string& head) {
  if (head.compare(0, 2, "#!") != 0) return "";
  std::istringstream line(head.substr(2, head.find('\n') - 2));
  std::string interpreter;
  line >> interpreter;
  return interpreter;
}

template <typename Header, typename Segment>
bool HasInterpreterSegment(std::ifstream& file) {
  Header header{};
  file.seekg(0);
  if (!file.read(reinterpret_cast<char*>(&header), sizeof(header))) return true;
  for (int i = 0; i < header.e_phnum; ++i) {
    Segment segment{};
    file.seekg(static_cast<std::streamoff>(header.e_phoff) +
               static_cast<std::streamoff>(i) * header.e_phentsize);
    if (!file.read(reinterpret_cast<char*>(&segment), sizeof(segment))) break;
    if (segment.p_type == PT_INTERP) return true;
  }
  return false;
}

std::string JudgeElf(const std::string& path, const std::string& head,
                     std::ifstream& file) {
  const bool is_64_bit = head[EI_CLASS] == ELFCLASS64;
  const bool dynamic =
      is_64_bit ? HasInterpreterSegment<Elf64_Ehdr, Elf64_Phdr>(file)
                : HasInterpreterSegment<Elf32_Ehdr, Elf32_Phdr>(file);
  if (!dynamic) {
    return path +
           " is static: it has its malloc built in, and no library can be "
           "preloaded";
  }
  if (is_64_bit != (sizeof(void*) == 8)) {
    return path + " is a " + (is_64_bit ? "64" : "32") +
           "-bit program, and the library is not";
  }
  return "";
}

// The loader ignores LD_PRELOAD when the program would run as someone else.
std::string JudgeOwner(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return "";
  const bool other_user =
      (status.st_mode & S_ISUID) != 0 && status.st_uid != geteuid();
  const bool other_group =
      (status.st_mode & S_ISGID) != 0 && status.st_gid != getegid();
  if (!other_user && !other_group) return "";
  return path + " is " + (other_user ? "setuid" : "setgid") +
         ": the system lets nobody preload a library into it";
}

}  // namespace

Program FindProgram(const std::string& name, const std::string& search_path) {
  if (name.empty()) return Failure(kExitNotFound, "the program has no name");
  std::vector<std::string> candidates;
  if (name.find('/') != std::string::npos) {
    candidates.push_back(name);
  } else {
    std::istringstream folders(search_path);
    for (std::string folder; std::getline(folders, folder, ':');) {
      candidates.push_back((folder.empty() ? "." : folder) + "/" + name);
    }
  }
  Program found = Failure(kExitNotFound, name + ": not found");
  if (candidates.size() != 1 || candidates[0] != name)
    found.error += " in PATH";
  for (const std::string& path : candidates) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) continue;
    if (S_ISDIR(status.st_mode)) {
      if (path == name) {
        return Failure(kExitNotExecutable, name + ": is a directory");
      }
      continue;
    }
    if (access(path.c_str(), X_OK) == 0) {
      found.path = path;
      found.exit_code = 0;
      found.error.clear();
      return found;
    }
    found = Failure(kExitNotExecutable, path + ": not executable");
  }
  return found;
}

std::string WhyNotPreloadable(const std::string& path) {
  std::string current = path;
  for (int i = 0; i <= kMaxInterpreters; ++i) {
    if (std::string why = JudgeOwner(current); !why.empty()) return why;
    std::ifstream file(current, std::ios::binary);
    std::string head(256, '\0');
    file.read(head.data(), static_cast<std::streamsize>(head.size()));
    head.resize(
        static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    file.clear();
    if (head.size() > EI_CLASS && head.compare(0, SELFMAG, ELFMAG) == 0) {
      return JudgeElf(current, head, file);
    }
    current = InterpreterOf(head);
    // Not ours to explain; executing it will say what is wrong.
    if (current.empty()) return "";
  }
  return "";
}

}  // namespace myonly::tools
