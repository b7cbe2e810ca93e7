// Says whether the system takes it for a program with more rights than its
// caller, and allocates a little.
#include <sys/auxv.h>

#include <cstdio>
#include <string>

int main() {
  const std::string text(100, 'x');
  std::printf("%s %zu\n", getauxval(AT_SECURE) != 0 ? "secure" : "normal",
              text.size());
  return 0;
}
