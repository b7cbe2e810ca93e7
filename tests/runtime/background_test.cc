// The thread that gives memory back: it is there, and takes no signal of the
// program's.
#include "allocator/runtime/background.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

// What a line of this thread's status says behind `name`; "": no such line.
std::string FieldOf(const std::string& thread, const std::string& name) {
  std::ifstream status("/proc/self/task/" + thread + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(name + ":\t", 0) == 0) return line.substr(name.size() + 2);
  }
  return "";
}

// The thread of this process with that name, waited for; "": there is none.
std::string ThreadNamed(const std::string& name) {
  for (int i = 0; i < 10000; ++i) {
    DIR* threads = opendir("/proc/self/task");
    if (threads == nullptr) return "";
    std::string found;
    while (const dirent* entry = readdir(threads)) {
      if (FieldOf(entry->d_name, "Name") == name) found = entry->d_name;
    }
    closedir(threads);
    if (!found.empty()) return found;
    usleep(1000);
  }
  return "";
}

// 0, or the number of the first check that fails.
int StartAndLook() {
  sigset_t some;
  sigemptyset(&some);
  sigaddset(&some, SIGWINCH);
  if (sigprocmask(SIG_SETMASK, &some, nullptr) != 0) return 2;
  if (!StartBackground()) return 3;
  sigset_t after;
  if (sigprocmask(SIG_SETMASK, nullptr, &after) != 0) return 2;
  for (int signal : {SIGTERM, SIGALRM, SIGUSR1, SIGCHLD}) {
    if (sigismember(&after, signal) != 0) return 4;
  }
  if (sigismember(&after, SIGWINCH) != 1) return 4;
  const std::string thread = ThreadNamed("myonlymalloc");
  if (thread.empty()) return 5;
  const uint64_t blocked = std::stoull(FieldOf(thread, "SigBlk"), nullptr, 16);
  for (int signal : {SIGTERM, SIGALRM, SIGUSR1, SIGCHLD, SIGPROF, SIGSEGV}) {
    if ((blocked >> (signal - 1) & 1) == 0) return 6;
  }
  return 0;
}

TEST(BackgroundTest, ItsThreadTakesNoSignalsAndItsMakerAllAsBefore) {
  const pid_t child = fork();
  if (child == 0) _exit(StartAndLook());
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace myonly::internal
