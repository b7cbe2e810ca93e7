// On which stack the handler of SIGSEGV runs. Each case is in a child, as
// handlers stay for ever.
#include "allocator/runtime/fault_handler.h"

#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr int kOnOther = 3;
constexpr int kOnUsual = 4;

alignas(64) char other_stack[256 * 1024];

// Runs first of all: ends the child.
void TellStack(const siginfo_t* /*info*/, void* /*context*/) {
  char here;
  char* volatile at = &here;
  const bool is_on_other =
      at >= other_stack && at < other_stack + sizeof(other_stack);
  _exit(is_on_other ? kOnOther : kOnUsual);
}

void NeverCalled(int /*signal*/) { _exit(1); }

// Faults in a thread that has another stack for signals, where the program has
// set this handler.
[[noreturn]] void Fault(void (*handler)(int), int flags) {
  stack_t stack = {};
  stack.ss_sp = other_stack;
  stack.ss_size = sizeof(other_stack);
  struct sigaction theirs = {};
  theirs.sa_handler = handler;
  theirs.sa_flags = flags;
  void* page =
      mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED || sigaltstack(&stack, nullptr) != 0 ||
      sigaction(SIGSEGV, &theirs, nullptr) != 0) {
    _exit(2);
  }
  KeepFaultHandler(TellStack);
  *static_cast<volatile char*>(page) = 1;
  _exit(0);
}

// What faults may have little left of its own stack.
TEST(FaultHandlerDeathTest, TakesTheOtherStackWhereTheProgramHasNoHandler) {
  EXPECT_EXIT(Fault(SIG_DFL, 0), ::testing::ExitedWithCode(kOnOther), "");
}

TEST(FaultHandlerDeathTest, TakesTheStackThatTheProgramsHandlerWants) {
  EXPECT_EXIT(Fault(NeverCalled, 0), ::testing::ExitedWithCode(kOnUsual), "");
  EXPECT_EXIT(Fault(NeverCalled, SA_ONSTACK),
              ::testing::ExitedWithCode(kOnOther), "");
}

}  // namespace
}  // namespace myonly::internal
