#include "examples/tenant_server/load/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace myonly::tenant_server {

ServerProcess::ServerProcess(const std::string& program,
                             const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {program, "--port=0"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  pid_ = fork();
  if (pid_ == 0) {
    // It doesn't outlive us.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDOUT_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  output_ = ends[0];
  const std::string line = ReadLine();
  const size_t colon = line.rfind(':');
  if (colon != std::string::npos) {
    port_ = std::atoi(line.c_str() + colon + 1);
  }
}

ServerProcess::~ServerProcess() {
  if (pid_ > 0) Stop(SIGKILL);
}

std::string ServerProcess::url() const {
  return "http://127.0.0.1:" + std::to_string(port_);
}

uint64_t ServerProcess::ResidentBytes() const {
  uint64_t all_pages = 0;
  uint64_t resident_pages = 0;
  std::ifstream("/proc/" + std::to_string(pid_) + "/statm") >> all_pages >>
      resident_pages;
  return resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

int ServerProcess::Stop(int signal_number) {
  kill(pid_, signal_number);
  for (std::string line = ReadLine(); !line.empty(); line = ReadLine()) {
    last_words_ += line;
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  close(output_);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// With its line feed; "" at the end.
std::string ServerProcess::ReadLine() {
  std::string line;
  char letter = 0;
  while (read(output_, &letter, 1) == 1) {
    line += letter;
    if (letter == '\n') break;
  }
  return line;
}

}  // namespace myonly::tenant_server
