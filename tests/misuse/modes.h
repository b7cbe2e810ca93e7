// What the misuse programs share: a table of named ways to misuse.
#ifndef MYONLY_TESTS_MISUSE_MODES_H_
#define MYONLY_TESTS_MISUSE_MODES_H_

#include <stddef.h>
#include <string.h>
#include <unistd.h>

namespace myonly::testing {

// What a program exits with if nothing stopped it.
inline constexpr int kSurvived = 3;

struct Mode {
  const char* name;
  void (*run)();
};

// Hides from the compiler where a pointer comes from: it may not warn of the
// misuse, nor drop it.
inline void* Launder(void* pointer) {
  asm volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

// Marks on standard output that all before went well. No stdio: a buffer would
// be a block, and lost in abort.
inline void AboutToMisuse() {
  constexpr char kText[] = "misuse";
  if (write(STDOUT_FILENO, kText, sizeof(kText) - 1) < 0) _exit(2);
}

// `program mode`.
inline int RunMode(int argc, char** argv, const Mode* modes, size_t count) {
  for (size_t i = 0; argc == 2 && i < count; ++i) {
    if (strcmp(argv[1], modes[i].name) == 0) {
      modes[i].run();
      return kSurvived;
    }
  }
  return 2;
}

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_MISUSE_MODES_H_
