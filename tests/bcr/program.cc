// A program whose malloc is the allocator, without our headers. The link
// would fail if the library weren't in it; the call says whether malloc is
// really its.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

extern "C" int myonly_is_process_allocator(void);

int main() {
  std::vector<std::string> words;
  for (int i = 0; i < 1000; ++i) words.push_back(std::string(100, 'x'));
  const auto number = std::make_unique<int>(7);
  const bool ours = myonly_is_process_allocator() != 0;
  std::printf("malloc is %s: %zu words, %d\n", ours ? "myonlymalloc" : "libc's",
              words.size(), *number);
  return ours ? 0 : 1;
}
