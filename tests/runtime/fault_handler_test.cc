// On which stack the handler of SIGSEGV runs, and what it calls. Each case is
// in a child, as handlers stay for ever.
#include "allocator/runtime/fault_handler.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr int kOnOther = 3;
constexpr int kOnUsual = 4;
constexpr int kInTurn = 5;

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

// Where the fault of a test is.
void* page = nullptr;

[[noreturn]] void FaultOnce() {
  page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) _exit(2);
  *static_cast<volatile char*>(page) = 1;
  _exit(0);
}

// Faults in a thread that has another stack for signals, where the program has
// set this handler.
[[noreturn]] void Fault(void (*handler)(int), int flags) {
  stack_t stack = {};
  stack.ss_sp = other_stack;
  stack.ss_size = sizeof(other_stack);
  struct sigaction theirs = {};
  theirs.sa_handler = handler;
  theirs.sa_flags = flags;
  if (sigaltstack(&stack, nullptr) != 0 ||
      sigaction(SIGSEGV, &theirs, nullptr) != 0) {
    _exit(2);
  }
  KeepFaultHandler(TellStack);
  FaultOnce();
}

// --- What is called, one after the other. ---

int num_calls;
struct sigaction before;

// One somewhere else is none of these tests.
void Look(const siginfo_t* info, void* /*context*/) {
  if (info->si_addr != page) _exit(6);
}

void Older(int /*signal*/) { _exit(num_calls == 1 ? kInTurn : 1); }

// As the handlers of many libraries: calls what was there before.
void Newer(int signal, siginfo_t* info, void* context) {
  if (++num_calls == 10) _exit(7);
  before.sa_sigaction(signal, info, context);
}

[[noreturn]] void FaultWithTwoHandlers() {
  struct sigaction older = {};
  older.sa_handler = Older;
  struct sigaction newer = {};
  newer.sa_sigaction = Newer;
  newer.sa_flags = SA_SIGINFO;
  if (sigaction(SIGSEGV, &older, nullptr) != 0) _exit(2);
  KeepFaultHandler(Look);
  if (sigaction(SIGSEGV, &newer, &before) != 0) _exit(2);
  KeepFaultHandler(Look);
  FaultOnce();
}

void Returns(int /*signal*/, siginfo_t* /*info*/, void* /*context*/) {
  if (++num_calls == 2) _exit(7);
}

// Its handler returns, and the instruction faults again.
[[noreturn]] void FaultWithHandlerForOne() {
  struct sigaction once = {};
  once.sa_sigaction = Returns;
  once.sa_flags = static_cast<int>(SA_SIGINFO | SA_RESETHAND | SA_NODEFER);
  if (sigaction(SIGSEGV, &once, nullptr) != 0) _exit(2);
  KeepFaultHandler(Look);
  FaultOnce();
}

void SpoilErrno(const siginfo_t* /*info*/, void* /*context*/) { errno = 99; }

void LookAtErrno(int /*signal*/) { _exit(errno == 12345 ? kInTurn : 1); }

[[noreturn]] void FaultWithErrno() {
  struct sigaction theirs = {};
  theirs.sa_handler = LookAtErrno;
  if (sigaction(SIGSEGV, &theirs, nullptr) != 0) _exit(2);
  KeepFaultHandler(SpoilErrno);
  errno = 12345;
  FaultOnce();
}

TEST(FaultHandlerDeathTest, TheProgramsHandlerFindsErrnoAsItWas) {
  EXPECT_EXIT(FaultWithErrno(), ::testing::ExitedWithCode(kInTurn), "");
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

TEST(FaultHandlerDeathTest, HandlersThatCallTheOneBeforeAreCalledInTurn) {
  EXPECT_EXIT(FaultWithTwoHandlers(), ::testing::ExitedWithCode(kInTurn), "");
}

TEST(FaultHandlerDeathTest, AHandlerForOneFaultLeavesTheNextToTheSystem) {
  EXPECT_EXIT(FaultWithHandlerForOne(), ::testing::KilledBySignal(SIGSEGV), "");
}

}  // namespace
}  // namespace myonly::internal
