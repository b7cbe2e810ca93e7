// Fuzz target: programs that misuse the heap of the preset secure.
//
// Each input is a program of allocations, frees, and mistakes: frees of what is
// free, inside of blocks or no block's, writes around blocks and into freed
// ones. A child runs it. It may end by a report of the library, by a fault of
// its own write, or well; a block that overlaps a live one or lies where the
// writes point to, a fault inside the library, an end without a line and a hang
// are findings.
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "myonly/myonly.h"
#include "tests/model/choices.h"

namespace {

using myonly::testing::ByteChoices;
using myonly::testing::Choices;

constexpr int kHangSeconds = 20;
// Status of a child that has a finding, and of one whose own write faulted.
constexpr int kFinding = 3;
constexpr int kOwnFault = 4;

alignas(4096) char victim[64 * 1024];
volatile sig_atomic_t is_writing = 0;

void OnFault(int signal) {
  if (is_writing != 0) _exit(kOwnFault);
  static constexpr char kText[] = "finding: fault inside the library\n";
  if (write(2, kText, sizeof(kText) - 1) < 0 || signal != 0) _exit(kFinding);
}

void Found(const char* what, const void* ptr, size_t size) {
  fprintf(stderr, "finding: %s %p, %zu bytes\n", what, ptr, size);
  _exit(kFinding);
}

struct Freed {
  char* start;
  size_t size;
};

class Program {
 public:
  explicit Program(Choices* choices)
      : choices_(*choices), only_writes_(choices->Below(3) == 0) {
    if (myonly_arena_create(nullptr, &arena_) != MYONLY_OK) abort();
  }

  void Run() {
    constexpr int kMostSteps = 1500;
    for (int i = 0; i < kMostSteps && !choices_.exhausted(); ++i) Step();
    // What has been put where it should not be would be handed out now.
    constexpr size_t kSizes[] = {16, 48, 256, 1024, 3000, 20000, 70000};
    for (size_t size : kSizes) {
      for (int i = 0; i < 200; ++i) Note(myonly_alloc(size), size);
    }
    while (!live_.empty()) Free(live_.begin());
    myonly_arena_destroy(arena_, MYONLY_DESTROY_FREE);
  }

 private:
  using Live = std::map<char*, size_t>;

  void Step() {
    switch (choices_.Below(16)) {
      case 0:
        return Mistake();
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
        return FreeSome();
      case 6:
        return Resize();
      default:
        return Allocate();
    }
  }

  size_t Size() {
    // Many of few sizes, so that they serve one another; all kinds of blocks.
    constexpr size_t kBounds[] = {64, 1100, 9000, 70000, 300000};
    const uint64_t kind = choices_.Below(12);
    if (kind < 6) return 16 * (1 + kind);
    return 1 + choices_.Below(kBounds[kind < 9 ? 1 : kind < 11 ? 2 : 3]);
  }

  void Allocate() {
    const size_t size = Size();
    switch (choices_.Below(8)) {
      case 0:
        return Note(myonly_arena_alloc(arena_, size), size);
      case 1:
        return Note(myonly_aligned_alloc(size_t{16} << choices_.Below(9), size),
                    size);
      default:
        return Note(myonly_alloc(size), size);
    }
  }

  void Note(void* ptr, size_t size) {
    auto* start = static_cast<char*>(ptr);
    if (start == nullptr) return;
    if (start >= victim && start < victim + sizeof(victim)) {
      Found("a block where the writes point to", ptr, size);
    }
    const auto next = live_.lower_bound(start);
    if (next != live_.end() && next->first < start + size) {
      Found("a block that overlaps the next one", ptr, size);
    }
    if (next != live_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second > start) {
        Found("a block that overlaps the one before", ptr, size);
      }
    }
    live_[start] = size;
    // Of its own pages, or the process dies here.
    memset(start, 0x5a, size);
  }

  Live::iterator Pick() {
    if (live_.empty()) return live_.end();
    // Not a fair choice, which would take as long as there are blocks.
    const auto skip = static_cast<int>(choices_.Below(32));
    auto picked = live_.begin();
    for (int i = 0; i < skip && std::next(picked) != live_.end(); ++i) ++picked;
    return picked;
  }

  void Free(Live::iterator block) {
    freed_.push_back({block->first, block->second});
    if (freed_.size() > 64) freed_.erase(freed_.begin());
    char* start = block->first;
    live_.erase(block);
    myonly_free(start);
  }

  void FreeSome() {
    const auto block = Pick();
    if (block != live_.end()) Free(block);
  }

  void Resize() {
    const auto block = Pick();
    if (block == live_.end()) return;
    char* start = block->first;
    const size_t size = Size();
    live_.erase(block);
    void* moved = myonly_realloc(start, size);
    if (moved != nullptr) Note(moved, size);
  }

  bool IsInLive(const char* ptr) const {
    auto next = live_.upper_bound(const_cast<char*>(ptr));
    if (next == live_.begin()) return false;
    --next;
    return ptr < next->first + next->second;
  }

  // What a mistake writes: what might be followed.
  uint64_t Value() {
    switch (choices_.Below(5)) {
      case 0:
        return reinterpret_cast<uintptr_t>(victim) + 16 * choices_.Below(1024);
      case 1:
        return live_.empty() ? 0
                             : reinterpret_cast<uintptr_t>(Pick()->first) +
                                   choices_.Below(3) * 8;
      case 2:
        return 0;
      case 3:
        return choices_.Below(uint64_t{1} << 32);
      default:
        return ~uint64_t{0};
    }
  }

  void Write(char* at, size_t bytes) {
    is_writing = 1;
    for (size_t i = 0; i < bytes; i += 8) {
      const uint64_t value = Value();
      memcpy(at + i, &value, bytes - i < 8 ? bytes - i : 8);
    }
    is_writing = 0;
  }

  void Mistake() {
    switch (choices_.Below(only_writes_ ? 4 : 9)) {
      case 0:
      case 1:
        return WriteFreed();
      case 2:
        return WriteBehind();
      case 3:
        return WriteBefore();
      case 4:
      case 5:
        return FreeFreed();
      case 6:
        return FreeInside();
      case 7:
        return FreeForeign();
      default:
        return FreeWrongSize();
    }
  }

  char* PickFreed(size_t* size) {
    if (freed_.empty()) return nullptr;
    const Freed& freed = freed_[choices_.Below(freed_.size())];
    *size = freed.size;
    return live_.count(freed.start) != 0 ? nullptr : freed.start;
  }

  void FreeFreed() {
    size_t size;
    char* start = PickFreed(&size);
    if (start == nullptr) return;
    if (choices_.Below(4) != 0) return myonly_free(start);
    void* moved = myonly_realloc(start, size + choices_.Below(100));
    if (moved != nullptr) Note(moved, size);
  }

  void FreeInside() {
    const auto block = Pick();
    if (block == live_.end() || block->second < 2) return;
    const size_t step = choices_.Below(3) == 0 ? 1 : 16;
    const size_t offset = choices_.Below(block->second) / step * step;
    if (offset != 0) myonly_free(block->first + offset);
  }

  // With what might pass for a header in front of it.
  void FreeForeign() {
    char* start = victim + 16 * (1 + choices_.Below(1000));
    Write(start - 16, 16);
    myonly_free(start);
  }

  void WriteFreed() {
    size_t size;
    char* start = PickFreed(&size);
    if (start == nullptr) return;
    const size_t offset = choices_.Below(3) == 0 ? choices_.Below(size) : 0;
    const size_t bytes = 1 + choices_.Below(16);
    if (IsInLive(start + offset)) return;
    Write(start + offset, bytes < size - offset ? bytes : size - offset);
  }

  void WriteBehind() {
    const auto block = Pick();
    if (block == live_.end()) return;
    Write(block->first + block->second, 1 + choices_.Below(48));
  }

  void WriteBefore() {
    const auto block = Pick();
    if (block == live_.end()) return;
    const size_t bytes = 8 * (1 + choices_.Below(3));
    Write(block->first - bytes, bytes);
  }

  void FreeWrongSize() {
    const auto block = Pick();
    if (block == live_.end()) return;
    char* start = block->first;
    const size_t size = Size();
    live_.erase(block);
    myonly_free_sized(start, size, 0);
  }

  Choices& choices_;
  const bool only_writes_;  // frees are found at once, most of them
  myonly_arena* arena_ = nullptr;
  Live live_;
  std::vector<Freed> freed_;
};

[[noreturn]] void RunChild(const uint8_t* data, size_t size, int errors) {
  dup2(errors, 2);
  signal(SIGSEGV, OnFault);
  signal(SIGBUS, OnFault);
  alarm(kHangSeconds);
  ByteChoices choices(data, size);
  Program(&choices).Run();
  _exit(0);
}

std::string ReadAll(int from) {
  std::string text;
  char piece[1024];
  for (ssize_t got; (got = read(from, piece, sizeof(piece))) > 0;) {
    text.append(piece, static_cast<size_t>(got));
  }
  return text;
}

bool IsGood(int status, const std::string& text) {
  if (WIFEXITED(status)) {
    return WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kOwnFault;
  }
  return WTERMSIG(status) == SIGABRT &&
         text.find("myonlymalloc: ") != std::string::npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  int errors[2];
  if (pipe(errors) != 0) abort();
  const pid_t child = fork();
  if (child == 0) RunChild(data, size, errors[1]);
  close(errors[1]);
  const std::string text = ReadAll(errors[0]);
  close(errors[0]);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) abort();
  if (getenv("FUZZ_ENDS") != nullptr) {
    printf("end: status %d %s\n", status, text.c_str());
  }
  if (!IsGood(status, text)) {
    fprintf(stderr, "status %d\n%s", status, text.c_str());
    abort();
  }
  return 0;
}
