// Runs a program whose allocator gets some of its system calls refused.
//
//   fail_calls REPORT ALLOCATOR CALLS ERROR FIRST COUNT PROGRAM [ARGUMENT...]
//
// ALLOCATOR is a shared library, which is preloaded, or the program itself if
// it is linked with ours. Of the system calls CALLS ("mmap+munmap", "all") that
// are made from its code, by all threads and child processes together, those
// from number FIRST (0, 1, ...) on, COUNT of them, fail with ERROR; COUNT 0:
// all of them. Other code's calls are carried out. How many there were is
// written to the file REPORT. Exits as the program does, with 128 and the
// signal's number where one ended it, and with 77 where the kernel doesn't let
// it: it needs seccomp with user notification (Linux 5.5).
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>

#include "tests/fault/system_limits.h"

namespace {

constexpr int kNotPossible = 77;

// Whether the code at an address is the allocator's, in each process.
class Code {
 public:
  explicit Code(const char* path) : path_(path) {
    char* real = realpath(path, nullptr);
    if (real != nullptr) path_ = real;
    free(real);
  }

  bool Has(pid_t thread, uint64_t address) {
    const auto key = std::make_pair(thread, address);
    const auto known = known_.find(key);
    if (known != known_.end()) return known->second;
    return known_[key] = Look(thread, address);
  }

 private:
  bool Look(pid_t thread, uint64_t address) const {
    std::ifstream maps("/proc/" + std::to_string(thread) + "/maps");
    std::string line;
    while (std::getline(maps, line)) {
      unsigned long first = 0;
      unsigned long end = 0;
      if (sscanf(line.c_str(), "%lx-%lx", &first, &end) != 2) continue;
      if (address < first || address >= end) continue;
      return line.size() >= path_.size() &&
             line.compare(line.size() - path_.size(), path_.size(), path_) == 0;
    }
    return false;
  }

  std::string path_;
  std::map<std::pair<pid_t, uint64_t>, bool> known_;
};

struct Plan {
  int error;
  uint64_t first;
  uint64_t count;
};

void SendDescriptor(int socket, int fd) {
  char byte = fd < 0 ? 'n' : 'y';
  iovec part = {&byte, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = space;
    message.msg_controllen = sizeof(space);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
  }
  if (sendmsg(socket, &message, 0) != 1) _exit(kNotPossible);
}

int ReceiveDescriptor(int socket) {
  char byte = 0;
  iovec part = {&byte, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof(space);
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || byte != 'y') {
    return -1;
  }
  int fd = -1;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr) memcpy(&fd, CMSG_DATA(header), sizeof(int));
  return fd;
}

[[noreturn]] void RunProgram(int socket, const char* calls, char** argv,
                             const char* allocator) {
  if (strcmp(allocator, argv[0]) != 0) setenv("LD_PRELOAD", allocator, 1);
  const int listener = myonly::testing::WatchCalls(calls);
  SendDescriptor(socket, listener);
  if (listener < 0) _exit(kNotPossible);
  close(listener);
  close(socket);
  execvp(argv[0], argv);
  _exit(127);
}

// Answers one call. False: there is nobody to ask any more.
bool Answer(int listener, const Plan& plan, Code& code, uint64_t* calls) {
  seccomp_notif request = {};
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) {
    return errno == EINTR || errno == ENOENT;
  }
  seccomp_notif_resp answer = {};
  answer.id = request.id;
  answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  if (code.Has(static_cast<pid_t>(request.pid),
               request.data.instruction_pointer)) {
    const uint64_t number = (*calls)++;
    if (number >= plan.first &&
        (plan.count == 0 || number - plan.first < plan.count)) {
      answer.flags = 0;
      answer.error = -plan.error;
    }
  }
  // It may have been killed meanwhile.
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  return true;
}

int Supervise(pid_t child, int listener, const Plan& plan, Code& code,
              const char* report) {
  uint64_t calls = 0;
  int status = 0;
  bool is_watched = true;
  for (;;) {
    pollfd event = {listener, POLLIN, 0};
    const int ready = is_watched ? poll(&event, 1, 20) : 0;
    if (ready > 0 && (event.revents & POLLIN) != 0) {
      is_watched = Answer(listener, plan, code, &calls);
      continue;
    }
    if (ready > 0) is_watched = false;
    if (waitpid(child, &status, is_watched ? WNOHANG : 0) == child) break;
  }
  std::ofstream(report) << calls << "\n";
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 8) return 2;
  const Plan plan = {atoi(argv[4]), strtoull(argv[5], nullptr, 10),
                     strtoull(argv[6], nullptr, 10)};
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    return kNotPossible;
  }
  const pid_t child = fork();
  if (child < 0) return kNotPossible;
  if (child == 0) RunProgram(sockets[1], argv[3], argv + 7, argv[2]);
  close(sockets[1]);
  const int listener = ReceiveDescriptor(sockets[0]);
  if (listener < 0) {
    waitpid(child, nullptr, 0);
    return kNotPossible;
  }
  Code code(argv[2]);
  return Supervise(child, listener, plan, code, argv[1]);
}
