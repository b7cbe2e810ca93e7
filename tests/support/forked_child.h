// What the child of a fork does, for tests whose parent has other threads.
#ifndef MYONLY_TESTS_SUPPORT_FORKED_CHILD_H_
#define MYONLY_TESTS_SUPPORT_FORKED_CHILD_H_

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace myonly::testing {

// What `work` returns in a child; false, too, if it does not return in time.
template <typename Work>
bool IsTrueInChild(Work work) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    // Not by an exit, where a sanitizer would miss the parent's threads.
    if (work()) raise(SIGKILL);
    _exit(1);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child &&
         WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_SUPPORT_FORKED_CHILD_H_
