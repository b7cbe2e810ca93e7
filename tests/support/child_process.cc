#include "tests/support/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

extern char** environ;

namespace myonly::testing {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  int read_end = -1;
  int write_end = -1;

  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == 0) {
      read_end = ends[0];
      write_end = ends[1];
    }
  }
  ~Pipe() {
    CloseWriteEnd();
    if (read_end >= 0) close(read_end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void CloseWriteEnd() {
    if (write_end >= 0) close(write_end);
    write_end = -1;
  }
};

std::vector<std::string> ChildEnvironment(const ChildOptions& options) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    // That nothing is sampled holds for children, too: see .bazelrc.
    bool replaced = text.rfind("LD_PRELOAD=", 0) == 0 ||
                    (text.rfind("MYONLY_", 0) == 0 &&
                     text.rfind("MYONLY_SAMPLE_RATE=", 0) != 0);
    for (const auto& [name, value] : options.environment) {
      if (text.rfind(name + "=", 0) == 0) replaced = true;
    }
    if (!replaced) result.push_back(text);
  }
  for (const auto& [name, value] : options.environment) {
    result.push_back(name + "=" + value);
  }
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Between fork and exec: only async-signal-safe calls.
[[noreturn]] void BecomeChild(const ChildOptions& options, char** argv,
                              char** environment, int out, int err) {
  setpgid(0, 0);
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const int input = open("/dev/null", O_RDONLY);
  dup2(input, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  if (options.directory.empty() || chdir(options.directory.c_str()) == 0) {
    execvpe(argv[0], argv, environment);
  }
  _exit(127);
}

// Reads both pipes until both are closed, or kills the group at the deadline.
// A daemon that a script leaves behind keeps a pipe open: that is a time-out.
void Collect(pid_t group, int out, int err, Clock::time_point deadline,
             ChildResult& result) {
  pollfd fds[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
  std::string* const texts[2] = {&result.out, &result.err};
  char buffer[16384];
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - Clock::now());
    if (left.count() <= 0) {
      result.timed_out = true;
      kill(-group, SIGKILL);
      return;
    }
    if (poll(fds, 2, static_cast<int>(left.count())) <= 0) continue;
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      const ssize_t count = read(fds[i].fd, buffer, sizeof(buffer));
      if (count > 0) {
        texts[i]->append(buffer, static_cast<size_t>(count));
      } else {
        fds[i].fd = -1;
      }
    }
  }
}

}  // namespace

ChildResult RunChild(const ChildOptions& options) {
  ChildResult result;
  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> variables = ChildEnvironment(options);
  std::vector<char*> argv = Pointers(arguments);
  std::vector<char*> environment = Pointers(variables);
  Pipe out;
  Pipe err;
  const pid_t pid = fork();
  if (pid < 0) return result;
  if (pid == 0) {
    BecomeChild(options, argv.data(), environment.data(), out.write_end,
                err.write_end);
  }
  setpgid(pid, pid);  // Both sides do it, so neither has to wait.
  out.CloseWriteEnd();
  err.CloseWriteEnd();
  Collect(pid, out.read_end, err.read_end,
          Clock::now() + std::chrono::seconds(options.timeout_seconds), result);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

std::string ChildResult::Describe() const {
  std::string text = timed_out ? "timed out" : "";
  if (text.empty() && signal != 0) {
    text = std::string("ended by ") + strsignal(signal);
  } else if (text.empty()) {
    text = "exit code " + std::to_string(exit_code);
  }
  constexpr size_t kMostStderr = 2000;
  return text + ", stderr: \"" + err.substr(0, kMostStderr) + "\"";
}

}  // namespace myonly::testing
