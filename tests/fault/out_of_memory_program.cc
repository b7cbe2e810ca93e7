// A program that runs out of memory, checks how it is told, frees, and goes on.
// It prints "ok" and exits with 0, says what was wrong and exits with 1, or
// exits with 77 when the kernel does not let it try.
//
//   out_of_memory limit MIB THREADS        all addresses it has from the start
//   out_of_memory late MIB THREADS         the same, once the heap is in use
//   out_of_memory lower MIB THREADS        those it may still get
//   out_of_memory data MIB THREADS         pages it may write to
//   out_of_memory maps LEFT THREADS        mappings that are left to it
//   out_of_memory commit MIB THREADS       what strict overcommit leaves
//   out_of_memory deny CALLS ERRNO THREADS see DenyCalls
//   out_of_memory shrink THREADS           realloc to less, no munmap
//   out_of_memory sizes MIB THREADS        all addresses it has, for blocks of
//                                          one size after the other
//   out_of_memory waves MIB THREADS        blocks of one size after the other,
//                                          so much of each, written to
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>

#include "tests/fault/system_limits.h"
#include "tests/support/preset.h"

namespace {

using myonly::testing::DenyCalls;
using myonly::testing::LimitAddresses;
using myonly::testing::LimitData;
using myonly::testing::LimitMoreAddresses;
using myonly::testing::TakeCommitment;
using myonly::testing::TakeMappings;

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr int kNotPossible = 77;
constexpr int kKept = 12321;  // an errno that nobody sets
// Where nothing stops the program it stops itself.
constexpr size_t kMostBytes = 700 * kMiB;
constexpr int kMaxThreads = 64;

// Without stdio's buffers, which are allocated.
[[noreturn]] void Stop(int exit_code, const char* text) {
  ssize_t written = write(exit_code == 0 ? 1 : 2, text, strlen(text));
  written += write(exit_code == 0 ? 1 : 2, "\n", 1);
  _exit(written < 0 ? 2 : exit_code);
}

void Require(bool condition, const char* what) {
  if (!condition) Stop(1, what);
}

// Blocks linked through themselves: no other memory is needed.
class Chain {
 public:
  // False when there is no memory, which must have been said properly.
  bool Push(size_t size) {
    errno = 0;
    auto* node = static_cast<Node*>(malloc(size));
    if (node == nullptr) {
      Require(errno == ENOMEM, "malloc failed without ENOMEM");
      return false;
    }
    *node = {first_, size};
    memset(End(node), 0x5a, 8);
    first_ = node;
    bytes_ += size;
    return true;
  }

  // The same, and all of it is written to.
  bool PushFull(size_t size) {
    if (!Push(size)) return false;
    memset(reinterpret_cast<char*>(first_) + sizeof(Node), 0x5a,
           size - sizeof(Node));
    return true;
  }

  void CheckAndFreeAll() {
    while (first_ != nullptr) {
      Node* node = first_;
      Check(node);
      first_ = node->next;
      errno = kKept;
      free(node);
      Require(errno == kKept, "free changed errno");
    }
    bytes_ = 0;
  }

  // A reallocation that can't be done leaves the block alone.
  void RequireReallocFails(size_t size) {
    errno = 0;
    if (first_ == nullptr) return;
    Require(realloc(first_, size) == nullptr, "realloc found memory");
    Require(errno == ENOMEM, "realloc failed without ENOMEM");
    Check(first_);
  }

  size_t bytes() const { return bytes_; }

 private:
  struct Node {
    Node* next;
    size_t size;
  };
  static char* End(Node* node) {
    return reinterpret_cast<char*>(node) + node->size - 8;
  }
  static void Check(Node* node) {
    static const char kEnd[8] = {0x5a, 0x5a, 0x5a, 0x5a,
                                 0x5a, 0x5a, 0x5a, 0x5a};
    Require(memcmp(End(node), kEnd, 8) == 0, "contents were lost");
  }

  Node* first_ = nullptr;
  size_t bytes_ = 0;
};

// Takes all there is: large blocks first, then what fits between them.
void FillDown(Chain& chain, size_t most_bytes) {
  for (size_t size : {12 * kMiB, kMiB, 200 * kKiB, 40 * kKiB, 5 * kKiB,
                      size_t{1000}, size_t{100}, size_t{32}}) {
    while (chain.bytes() + size < most_bytes && chain.Push(size)) {
    }
  }
}

void FillMixed(Chain& chain, size_t most_bytes) {
  constexpr size_t kSizes[] = {32, 100, 500, 3000, 20000, 70000};
  for (size_t i = 0; chain.bytes() < most_bytes; ++i) {
    if (!chain.Push(kSizes[i % 6])) return;
  }
}

// When a large block can't be had: no other function of the family finds one,
// and each says so in its own way.
void RequireAllFail(Chain& chain, size_t size) {
  errno = 0;
  void* ptr = malloc(size);
  if (ptr != nullptr) return free(ptr);
  Require(errno == ENOMEM, "malloc failed without ENOMEM");
  errno = 0;
  Require(calloc(size / 16, 16) == nullptr, "calloc found memory");
  Require(errno == ENOMEM, "calloc failed without ENOMEM");
  errno = 0;
  Require(aligned_alloc(4096, size) == nullptr, "aligned_alloc found memory");
  Require(errno == ENOMEM, "aligned_alloc failed without ENOMEM");
  ptr = &chain;
  Require(posix_memalign(&ptr, 4096, size) == ENOMEM,
          "posix_memalign failed without ENOMEM");
  Require(ptr == &chain, "posix_memalign wrote its result");
  chain.RequireReallocFails(size);
  Require(::operator new(size, std::nothrow) == nullptr, "new found memory");
}

struct Job {
  const char* calls = nullptr;  // to deny
  const char* maps_left = nullptr;
  int error = 0;
  int threads = 1;
  pthread_barrier_t barrier;
  std::atomic<bool> took_maps{false};
  std::atomic<size_t> first_bytes{0};
  std::atomic<size_t> last_bytes{0};
};

// Waits for the other threads: all take, then all give.
void Wait(Job& job) {
  if (job.threads > 1) pthread_barrier_wait(&job.barrier);
}

void RunRounds(Job& job) {
  const size_t most = kMostBytes / static_cast<size_t>(job.threads);
  Chain chain;
  // All threads are there before one takes the memory for the next one's stack.
  Wait(job);
  // The library has made itself at home before anything is denied.
  FillMixed(chain, kMiB / 2);
  chain.CheckAndFreeAll();
  Wait(job);
  if (job.maps_left != nullptr && !job.took_maps.exchange(true) &&
      !TakeMappings(strtoul(job.maps_left, nullptr, 10))) {
    Stop(kNotPossible, "mappings can't be taken");
  }
  if (job.calls != nullptr && !DenyCalls(job.calls, job.error)) {
    Stop(kNotPossible, "the kernel takes no filter");
  }
  for (int round = 0; round < 4; ++round) {
    Wait(job);
    if (round == 1) {
      FillMixed(chain, most / 8);
    } else {
      FillDown(chain, most);
      if (job.threads == 1) RequireAllFail(chain, 64 * kMiB);
    }
    if (round == 0) job.first_bytes += chain.bytes();
    if (round == 3) job.last_bytes += chain.bytes();
    Wait(job);
    chain.CheckAndFreeAll();
  }
}

void* RunThread(void* job) {
  RunRounds(*static_cast<Job*>(job));
  return nullptr;
}

void RunJob(Job& job) {
  if (job.threads == 1) {
    RunRounds(job);
  } else {
    pthread_t threads[kMaxThreads];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * kKiB);
    pthread_barrier_init(&job.barrier, nullptr,
                         static_cast<unsigned>(job.threads));
    for (int i = 0; i < job.threads; ++i) {
      Require(pthread_create(&threads[i], &attributes, RunThread, &job) == 0,
              "no thread can be made");
    }
    for (int i = 0; i < job.threads; ++i) pthread_join(threads[i], nullptr);
  }
  // What was freed is there again; in secure without what guards take more once
  // memory is in small pieces, at most a seventh of it. Not where no mapping is
  // left at all: whether the kernel grants one then depends on its neighbours.
  // Nor in debug, which keeps a record of each address that has been a block.
  const bool may_differ =
      myonly::testing::kIsDebug ||
      (job.maps_left != nullptr && strcmp(job.maps_left, "0") == 0);
  Require(may_differ || job.last_bytes >= job.first_bytes / 10 * 8,
          "freed memory did not come back");
  Stop(0, "ok");
}

// Of each size as much as `bytes`; all of it is freed before the next one. A
// kernel that ends who has more pages than it may have (a limit of a cgroup)
// tells nobody before: what is freed must serve other sizes or go back.
void RunWaves(size_t bytes) {
  for (int round = 0; round < 2; ++round) {
    for (size_t size : {size_t{24}, size_t{100}, size_t{1000}, 5 * kKiB,
                        40 * kKiB, 300 * kKiB, 3 * kMiB, 12 * kMiB}) {
      Chain chain;
      while (chain.bytes() + size <= bytes) {
        Require(chain.PushFull(size), "there is memory, and none is given");
      }
      chain.CheckAndFreeAll();
    }
  }
}

void* RunWavesInThread(void* bytes) {
  RunWaves(reinterpret_cast<uintptr_t>(bytes));
  return nullptr;
}

// Threads in turn: each one's memory must serve the next one, too.
[[noreturn]] void RunWavesOfThreads(size_t bytes, int threads) {
  for (int i = 0; i < threads; ++i) {
    pthread_t thread;
    Require(pthread_create(&thread, nullptr, RunWavesInThread,
                           reinterpret_cast<void*>(bytes)) == 0,
            "no thread can be made");
    pthread_join(thread, nullptr);
  }
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  printf("%ld KiB at most\n", usage.ru_maxrss);
  fflush(stdout);
  _exit(0);
}

// Frees by size what realloc made smaller while the system took nothing back.
[[noreturn]] void ShrinkWhatCannot() {
  char* block = static_cast<char*>(malloc(30 * kMiB));
  if (block == nullptr) Stop(kNotPossible, "no block of 30 MiB");
  if (!DenyCalls("munmap", ENOMEM)) {
    Stop(kNotPossible, "the kernel does not deny calls");
  }
  block = static_cast<char*>(realloc(block, 5 * kMiB));
  if (block == nullptr) Stop(1, "realloc to less failed");
  ::operator delete (block, size_t{5} * kMiB);
  printf("ok\n");
  fflush(stdout);
  _exit(0);
}

// How many bytes can be had in blocks of this size; all are freed again.
size_t FillWith(size_t size) {
  struct Link {
    Link* next;
  };
  Link* blocks = nullptr;
  size_t bytes = 0;
  for (;; bytes += size) {
    errno = 0;
    auto* block = static_cast<Link*>(malloc(size));
    if (block == nullptr) break;
    memset(block, 1, size < 4096 ? size : 4096);
    block->next = blocks;
    blocks = block;
  }
  if (errno != ENOMEM) Stop(1, "errno is not ENOMEM");
  while (Link* block = blocks) {
    blocks = block->next;
    free(block);
  }
  return bytes;
}

// Whatever there was before, most of the addresses serve the next size.
[[noreturn]] void UseOneSizeAfterTheOther(size_t limit) {
  if (!LimitAddresses(limit)) Stop(kNotPossible, "the limit can't be set");
  constexpr size_t kSizes[] = {1000,    1000000, 20000000, 100,     3000000,
                               1000000, 50000,   40000000, 5000000, 2000};
  for (const size_t size : kSizes) {
    const size_t bytes = FillWith(size);
    if (bytes < limit / 3) {
      fprintf(stderr, "%zu MiB of %zu in blocks of %zu bytes\n", bytes / kMiB,
              limit / kMiB, size);
      Stop(1, "too little came back");
    }
  }
  Stop(0, "ok");
}

int Usage() {
  fprintf(stderr, "usage: see the top of out_of_memory_program.cc\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return Usage();
  const char* mode = argv[1];
  Job job;
  job.threads = atoi(argv[argc - 1]);
  if (job.threads < 1 || job.threads > kMaxThreads) return Usage();
  if (strcmp(mode, "shrink") == 0) ShrinkWhatCannot();
  if (strcmp(mode, "sizes") == 0 && argc == 4) {
    UseOneSizeAfterTheOther(strtoul(argv[2], nullptr, 10) * kMiB);
  }
  if (strcmp(mode, "waves") == 0 && argc == 4) {
    RunWavesOfThreads(strtoul(argv[2], nullptr, 10) * kMiB, job.threads);
  }
  if (strcmp(mode, "deny") == 0 && argc == 5) {
    job.calls = argv[2];
    job.error = atoi(argv[3]);
  } else if (strcmp(mode, "lower") == 0 && argc == 4) {
    if (!LimitMoreAddresses(strtoul(argv[2], nullptr, 10) * kMiB)) {
      Stop(kNotPossible, "the limit can't be set");
    }
  } else if (strcmp(mode, "late") == 0 && argc == 4) {
    // When most addresses are reserved for the heap already.
    void* volatile block = malloc(1000);
    free(block);
    const size_t bytes = strtoul(argv[2], nullptr, 10) * kMiB;
    if (!LimitAddresses(bytes)) {
      Stop(kNotPossible, "the limit can't be set");
    }
    block = malloc(bytes / 4);
    if (block == nullptr) Stop(1, "a quarter of the limit was refused");
    free(block);
  } else if (strcmp(mode, "commit") == 0 && argc == 4) {
    if (!TakeCommitment(strtoul(argv[2], nullptr, 10) * kMiB)) {
      Stop(kNotPossible, "the kernel promises memory that it may not have");
    }
  } else if (strcmp(mode, "maps") == 0 && argc == 4) {
    job.maps_left = argv[2];
  } else if ((strcmp(mode, "limit") == 0 || strcmp(mode, "data") == 0) &&
             argc == 4) {
    // The allocator looks at the limit when it begins.
    const size_t bytes = strtoul(argv[2], nullptr, 10) * kMiB;
    if (!(*mode == 'l' ? LimitAddresses(bytes) : LimitData(bytes))) {
      Stop(kNotPossible, "the limit can't be set");
    }
    char run[] = "run";
    char* arguments[] = {argv[0], run, argv[3], nullptr};
    execv("/proc/self/exe", arguments);
    Stop(kNotPossible, "the program can't be run again");
  } else if (strcmp(mode, "run") != 0) {
    return Usage();
  }
  RunJob(job);
}
