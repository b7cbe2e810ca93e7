#include "allocator/guard/backtrace.h"

#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace myonly::internal {
namespace {

constexpr size_t kMax = 32;

struct Stack {
  void* frames[kMax];
  size_t count;
};

__attribute__((noinline)) void Inner(Stack* stack, size_t max) {
  stack->count = CaptureStack(stack->frames, max);
  asm volatile("" : : : "memory");  // no tail call
}

__attribute__((noinline)) void Outer(Stack* stack, size_t max) {
  Inner(stack, max);
  asm volatile("" : : : "memory");
}

template <typename Function>
bool IsIn(void* frame, Function* function) {
  const auto distance = reinterpret_cast<uintptr_t>(frame) -
                        reinterpret_cast<uintptr_t>(function);
  return distance < 200;
}

std::string Printed(const char* title, void* const* frames, size_t count) {
  int ends[2];
  if (pipe(ends) != 0) return "";
  PrintStack(ends[1], title, frames, count);
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = read(ends[0], buffer, sizeof(buffer));
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  return text;
}

TEST(BacktraceTest, NamesTheCallersFromTheInnermostOn) {
  Stack stack = {};
  Outer(&stack, kMax);
  ASSERT_GE(stack.count, 3U);
  EXPECT_TRUE(IsIn(stack.frames[0], &Inner));
  EXPECT_TRUE(IsIn(stack.frames[1], &Outer));
}

TEST(BacktraceTest, StopsWhereThereIsNoMoreRoom) {
  Stack stack = {};
  Outer(&stack, 2);
  EXPECT_EQ(stack.count, 2U);
  EXPECT_TRUE(IsIn(stack.frames[1], &Outer));
  EXPECT_EQ(stack.frames[2], nullptr);
  Outer(&stack, 0);
  EXPECT_EQ(stack.count, 0U);
}

TEST(BacktraceTest, PrintsWhatAddr2lineReads) {
  Stack stack = {};
  Outer(&stack, kMax);
  const std::string text = Printed("made by:", stack.frames, 2);
  Dl_info info;
  ASSERT_NE(dladdr(stack.frames[1], &info), 0);
  char program[PATH_MAX];
  ASSERT_NE(realpath("/proc/self/exe", program), nullptr);
  const uintptr_t offset = reinterpret_cast<uintptr_t>(stack.frames[1]) -
                           reinterpret_cast<uintptr_t>(info.dli_fbase);
  char line[PATH_MAX + 100];
  snprintf(line, sizeof(line), "    #1 %p %s+0x%zx\n", stack.frames[1], program,
           static_cast<size_t>(offset));
  EXPECT_EQ(text.rfind("made by:\n    #0 0x", 0), 0U) << text;
  EXPECT_NE(text.find(line), std::string::npos) << text << line;
}

TEST(BacktraceTest, PrintsAddressesOfNoModule) {
  void* frames[] = {reinterpret_cast<void*>(0x10)};
  EXPECT_EQ(Printed("title", frames, 1), "title\n    #0 0x10\n");
  EXPECT_EQ(Printed("title", frames, 0), "title (unknown)\n");
}

Stack of_handler;
void Handle(int /*signal*/) { Inner(&of_handler, kMax); }

__attribute__((noinline)) void RaiseSignal() {
  raise(SIGUSR1);
  asm volatile("" : : : "memory");
}

TEST(BacktraceTest, SeesThroughSignalHandlers) {
  struct sigaction action = {};
  action.sa_handler = Handle;
  ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  RaiseSignal();
  ASSERT_GE(of_handler.count, 4U);
  bool has_caller = false;
  for (size_t i = 0; i < of_handler.count; ++i) {
    has_caller = has_caller || IsIn(of_handler.frames[i], &RaiseSignal);
  }
  EXPECT_TRUE(has_caller);
}

}  // namespace
}  // namespace myonly::internal
