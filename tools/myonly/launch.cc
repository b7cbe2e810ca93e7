#include "tools/myonly/launch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "tools/myonly/one_processor.h"

namespace myonly::tools {
namespace {

// The program that is running, for the signal handler.
volatile sig_atomic_t running_pid = 0;  // negative: of its process group
volatile sig_atomic_t passed_on = 0;

void PassOn(int signal) {
  const int saved_errno = errno;
  if (running_pid != 0) kill(running_pid, signal);
  passed_on = 1;
  errno = saved_errno;
}

// While it lives, the runner outlives the signals that are meant for the
// program.
class SignalGuard {
 public:
  // With `pass_on_all`, the terminal's signals don't reach the program itself.
  explicit SignalGuard(bool pass_on_all) {
    for (size_t i = 0; i < kSignals.size(); ++i) {
      struct sigaction action {};
      action.sa_handler = i < 2 && !pass_on_all ? SIG_IGN : PassOn;
      action.sa_flags = SA_RESTART;
      sigaction(kSignals[i], &action, &saved_[i]);
      // What was ignored stays so (nohup), here and in the program.
      if (saved_[i].sa_handler == SIG_IGN) Restore(i);
    }
  }
  ~SignalGuard() { RestoreAll(); }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

  void RestoreAll() {
    for (size_t i = 0; i < kSignals.size(); ++i) Restore(i);
  }

 private:
  static constexpr std::array<int, 4> kSignals = {SIGINT, SIGQUIT, SIGTERM,
                                                  SIGHUP};
  void Restore(size_t i) { sigaction(kSignals[i], &saved_[i], nullptr); }

  std::array<struct sigaction, 4> saved_{};
};

// Opens `path` as file descriptor `target`. If that fails, it stays what it
// was.
void Redirect(int target, const char* path, int flags) {
  const int file = open(path, flags, 0600);
  if (file < 0 || file == target) return;
  dup2(file, target);
  close(file);
}

void RedirectStreams(const LaunchSpec& spec) {
  if (spec.fresh_input) {
    struct stat status {};
    const bool regular = fstat(0, &status) == 0 && S_ISREG(status.st_mode);
    Redirect(0, regular ? "/proc/self/fd/0" : "/dev/null", O_RDONLY);
  }
  if (spec.quiet) {
    Redirect(1, "/dev/null", O_WRONLY);
    Redirect(2, "/dev/null", O_WRONLY);
  }
  if (!spec.output_path.empty()) {
    Redirect(1, spec.output_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC);
  }
  if (!spec.error_path.empty()) {
    Redirect(2, spec.error_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC);
  }
}

// In the child: becomes the program, or writes errno to `report` and ends.
[[noreturn]] void Become(const LaunchSpec& spec, int processor, int report) {
  std::vector<char*> argv;
  argv.reserve(spec.arguments.size() + 1);
  for (const std::string& argument : spec.arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  if (spec.folder.empty() || chdir(spec.folder.c_str()) == 0) {
    RedirectStreams(spec);
    if (spec.one_processor) StayOnProcessor(processor);
    for (const auto& [name, value] : spec.environment) {
      setenv(name.c_str(), value.c_str(), 1);
    }
    execv(spec.path.c_str(), argv.data());
  }
  const int error = errno;
  // Nothing can be done if even that fails: the parent then sees exit 127.
  [[maybe_unused]] const ssize_t written = write(report, &error, sizeof(error));
  _exit(127);
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) +
         static_cast<double>(time.tv_usec) / 1e6;
}

// Waits until `pid` ends or `seconds` have passed. False if it goes on.
bool EndsWithin(pid_t pid, double seconds) {
  using std::chrono::steady_clock;
  const auto end = steady_clock::now() + std::chrono::duration<double>(seconds);
  const int file = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  bool ended = false;
  while (!ended && steady_clock::now() < end) {
    const std::chrono::duration<double, std::milli> left =
        end - steady_clock::now();
    siginfo_t info{};
    if (file >= 0) {
      pollfd ready = {file, POLLIN, 0};
      ended = poll(&ready, 1, static_cast<int>(left.count()) + 1) > 0;
    } else {
      // A kernel before 5.3.
      usleep(1000);
      ended = waitid(P_PID, static_cast<id_t>(pid), &info,
                     WEXITED | WNOHANG | WNOWAIT) == 0 &&
              info.si_pid == pid;
    }
  }
  if (file >= 0) close(file);
  return ended;
}

LaunchResult Wait(pid_t pid, double timeout_seconds) {
  LaunchResult result;
  if (timeout_seconds > 0) {
    result.timed_out = !EndsWithin(pid, timeout_seconds);
    // Not yet waited for, so the group's number is still its own.
    kill(-pid, SIGKILL);
  }
  int status = 0;
  rusage usage{};
  while (wait4(pid, &status, 0, &usage) < 0) {
    if (errno == EINTR) continue;
    result.error = errno;
    return result;
  }
  if (WIFSIGNALED(status)) {
    result.signal = WTERMSIG(status);
    result.exit_code = 128 + result.signal;
  } else {
    result.exit_code = WEXITSTATUS(status);
  }
  result.user_seconds = Seconds(usage.ru_utime);
  result.system_seconds = Seconds(usage.ru_stime);
  result.peak_rss_kib = usage.ru_maxrss;
  result.page_faults = usage.ru_minflt + usage.ru_majflt;
  return result;
}

}  // namespace

LaunchResult Launch(const LaunchSpec& spec) {
  LaunchResult failure;
  std::array<int, 2> report{};
  if (pipe2(report.data(), O_CLOEXEC) != 0) {
    failure.error = errno;
    return failure;
  }
  const int processor = spec.one_processor ? QuickestProcessor() : -1;
  const bool own_group = spec.timeout_seconds > 0;
  SignalGuard guard(own_group);
  passed_on = 0;
  const auto start = std::chrono::steady_clock::now();
  // Not vfork or posix_spawn: the program's peak RSS would begin with all of
  // the runner's.
  const pid_t pid = fork();
  if (pid == 0) {
    if (own_group) setpgid(0, 0);
    guard.RestoreAll();
    Become(spec, processor, report[1]);
  }
  failure.error = pid < 0 ? errno : 0;
  // Here too: whoever is first. The group must be there before it is killed.
  if (own_group && pid > 0) setpgid(pid, pid);
  running_pid = own_group ? -pid : pid;
  close(report[1]);
  int error = 0;
  const bool failed = pid > 0 && read(report[0], &error, sizeof(error)) ==
                                     static_cast<ssize_t>(sizeof(error));
  close(report[0]);
  if (pid < 0) return failure;
  LaunchResult result = Wait(pid, spec.timeout_seconds);
  const auto end = std::chrono::steady_clock::now();
  running_pid = 0;
  result.wall_seconds = std::chrono::duration<double>(end - start).count();
  result.interrupted = own_group && passed_on != 0;
  if (failed) result.error = error;
  return result;
}

}  // namespace myonly::tools
