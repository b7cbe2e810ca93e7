#include "tests/capi/child_costs.h"

#include <signal.h>
#include <spawn.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace myonly::testing {
namespace {

// What stops of a system call are marked with, beside other SIGTRAPs.
constexpr int kSystemCallStop = SIGTRAP | 0x80;

// argv and environment of the child, ready before it exists. The environment
// has nothing else, so that the loader has the same work everywhere.
class Command {
 public:
  Command(const std::string& program, const std::string& preload)
      : program_(program), preload_("LD_PRELOAD=" + preload) {
    if (!preload.empty()) environment_[0] = preload_.data();
  }

  const char* path() const { return program_.c_str(); }
  char** argv() { return argv_; }
  char** environment() { return environment_; }

 private:
  std::string program_;
  std::string preload_;
  char* argv_[2] = {program_.data(), nullptr};
  char* environment_[2] = {nullptr, nullptr};
};

bool ExitedWell(int status) {
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Of a child that is stopped right behind its execve.
long CountUntilExit(pid_t pid) {
  if (ptrace(PTRACE_SETOPTIONS, pid, nullptr,
             PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0) {
    return -1;
  }
  // Two stops for each call, but none for execve, which is behind it, and one
  // for exit_group, which never comes out.
  long stops = 0;
  int status = 0;
  for (;;) {
    if (ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr) != 0 ||
        waitpid(pid, &status, 0) != pid) {
      return -1;
    }
    if (!WIFSTOPPED(status)) break;
    if (WSTOPSIG(status) == kSystemCallStop) ++stops;
  }
  return ExitedWell(status) ? (stops + 3) / 2 : -1;
}

}  // namespace

long CountSystemCalls(const std::string& program, const std::string& preload) {
  Command command(program, preload);
  const pid_t pid = fork();
  if (pid < 0) return -1;
  if (pid == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(126);
    execve(command.path(), command.argv(), command.environment());
    _exit(127);
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) return -1;
  const long count = CountUntilExit(pid);
  if (count < 0) {
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
  }
  return count;
}

long CountPageFaults(const std::string& program, const std::string& preload) {
  Command command(program, preload);
  pid_t pid;
  // Not fork: its child pays for the pages it shares with us until execve.
  if (posix_spawn(&pid, command.path(), nullptr, nullptr, command.argv(),
                  command.environment()) != 0) {
    return -1;
  }
  int status = 0;
  rusage usage{};
  if (wait4(pid, &status, 0, &usage) != pid || !ExitedWell(status)) return -1;
  return usage.ru_minflt + usage.ru_majflt;
}

}  // namespace myonly::testing
