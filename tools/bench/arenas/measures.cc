#include "tools/bench/arenas/measures.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tools/myonly/one_processor.h"

namespace myonly::bench {
namespace {

constexpr size_t kObjectBytes = 64;
constexpr double kFailed = -1;

double NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e9 +
         static_cast<double>(now.tv_nsec);
}

size_t Scaled(size_t count, double scale) {
  return std::max<size_t>(
      1, static_cast<size_t>(static_cast<double>(count) * scale));
}

// Nanoseconds of one of `count` steps, after a tenth as many to get warm.
template <typename Step>
double NsPerStep(size_t count, Step step) {
  for (size_t i = 0; i < count / 10 + 1; ++i) step(i);
  const double start = NowNs();
  for (size_t i = 0; i < count; ++i) step(i);
  return (NowNs() - start) / static_cast<double>(count);
}

void Touch(void* object) { *static_cast<volatile char*>(object) = 1; }

double CreateDestroy(const HeapFunctions& f, double scale) {
  return NsPerStep(Scaled(200000, scale),
                   [&](size_t) { f.destroy(f.create()); }) /
         1000;
}

double CreateTenDestroy(const HeapFunctions& f, double scale) {
  const auto step = [&](size_t) {
    void* arena = f.create();
    for (size_t i = 0; i < 10; ++i) Touch(f.alloc(arena, kObjectBytes));
    f.destroy(arena);
  };
  return NsPerStep(Scaled(50000, scale), step) / 1000;
}

double ResidentKb() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return kFailed;
  long total = 0;
  long resident = 0;
  const int fields = std::fscanf(file, "%ld %ld", &total, &resident);
  std::fclose(file);
  return fields == 2 ? static_cast<double>(resident) *
                           static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024
                     : kFailed;
}

double ResidentOfOne(const HeapFunctions& f, double scale) {
  const size_t count = Scaled(1000, scale);
  std::vector<void*> arenas(count);
  // What the first of all costs is the process's.
  Touch(f.plain_alloc(kObjectBytes));
  Touch(f.alloc(f.create(), kObjectBytes));
  const double before = ResidentKb();
  for (void*& arena : arenas) {
    arena = f.create();
    Touch(f.alloc(arena, kObjectBytes));
  }
  const double after = ResidentKb();
  for (void* arena : arenas) f.destroy(arena);
  return before < 0 ? kFailed : (after - before) / static_cast<double>(count);
}

double PlainPair(const HeapFunctions& f, double scale) {
  const auto step = [&](size_t) {
    void* object = f.plain_alloc(kObjectBytes);
    Touch(object);
    f.plain_free(object);
  };
  return NsPerStep(Scaled(10000000, scale), step);
}

template <size_t kArenas>
double PairsInTurn(const HeapFunctions& f, double scale) {
  void* arenas[kArenas];
  for (void*& arena : arenas) arena = f.create();
  const auto step = [&](size_t i) {
    void* object = f.alloc(arenas[i % kArenas], kObjectBytes);
    Touch(object);
    f.free(object);
  };
  const double ns = NsPerStep(Scaled(10000000, scale), step);
  for (void* arena : arenas) f.destroy(arena);
  return ns;
}

// Of 8 threads, each with 64 live objects of up to 500 bytes, one of which is
// replaced at a time.
template <typename Allocate>
double ThreadedNs(void (*free)(void*), double scale, Allocate allocate) {
  constexpr size_t kThreads = 8;
  constexpr size_t kLive = 64;
  const size_t count = Scaled(2000000, scale);
  std::atomic<size_t> ready{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      void* live[kLive] = {};
      const auto step = [&](size_t i) {
        void*& object = live[i % kLive];
        free(object);
        object = allocate(16 + i * 7919 % 485);
        Touch(object);
      };
      for (size_t i = 0; i < 10 * kLive; ++i) step(i);
      ++ready;
      while (!go) std::this_thread::yield();
      for (size_t i = 0; i < count; ++i) step(i);
      for (void* object : live) free(object);
    });
  }
  while (ready != kThreads) std::this_thread::yield();
  const double start = NowNs();
  go = true;
  for (std::thread& thread : threads) thread.join();
  return (NowNs() - start) / static_cast<double>(count * kThreads);
}

double PlainThreads(const HeapFunctions& f, double scale) {
  return ThreadedNs(f.plain_free, scale, f.plain_alloc);
}

double ArenaThreads(const HeapFunctions& f, double scale) {
  void* arena = f.create();
  const double ns = ThreadedNs(
      f.free, scale, [&f, arena](size_t size) { return f.alloc(arena, size); });
  f.destroy(arena);
  return ns;
}

// The median of some resets.
double Reset(const HeapFunctions& f, double scale) {
  constexpr int kResets = 5;
  // What the row says, but in a trial.
  const size_t count = scale < 0.1 ? Scaled(1000000, scale) : 1000000;
  double times[kResets];
  void* arena = f.create();
  for (double& time : times) {
    for (size_t i = 0; i < count; ++i) Touch(f.alloc(arena, kObjectBytes));
    const double start = NowNs();
    if (f.reset != nullptr) {
      f.reset(arena);
    } else {
      f.destroy(arena);
      arena = f.create();
    }
    time = NowNs() - start;
  }
  f.destroy(arena);
  std::sort(times, times + kResets);
  return times[kResets / 2] / 1e6;
}

}  // namespace

const std::vector<Measure>& AllMeasures() {
  static const std::vector<Measure> measures = {
      {"create_destroy", "us", "create + destroy, unused", nullptr, 0.6, true,
       CreateDestroy},
      {"create_10_destroy", "us", "create + 10 allocations + destroy", nullptr,
       2, true, CreateTenDestroy},
      {"resident", "KB", "RSS of an arena with one object", nullptr, 8, true,
       ResidentOfOne},
      {"plain", "ns", "plain malloc + free", nullptr, 0, true, PlainPair},
      {"in_1", "ns", "the same in one arena", "plain", 1.15, true,
       PairsInTurn<1>},
      {"in_4", "ns", "... alternating over 4", "plain", 1.6, true,
       PairsInTurn<4>},
      {"in_64", "ns", "... alternating over 64", "plain", 2.5, true,
       PairsInTurn<64>},
      {"plain_threads", "ns", "8 threads, plain malloc + free", nullptr, 0,
       false, PlainThreads},
      {"arena_threads", "ns", "8 threads in one arena", "plain_threads", 1.2,
       false, ArenaThreads},
      {"reset", "ms", "reset of 1e6 objects of 64 bytes", nullptr, 1, true,
       Reset},
  };
  return measures;
}

double RunMeasure(const Measure& measure, const std::string& library,
                  double scale, std::string* error) {
  int ends[2];
  if (pipe(ends) != 0) return kFailed;
  const int processor = measure.one_processor ? tools::QuickestProcessor() : -1;
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    if (measure.one_processor) tools::StayOnProcessor(processor);
    HeapFunctions functions;
    const std::string wrong = LoadHeapFunctions(library, &functions);
    const double value =
        wrong.empty() ? measure.run(functions, scale) : kFailed;
    std::string answer(reinterpret_cast<const char*>(&value), sizeof(value));
    answer += wrong;
    const ssize_t written = write(ends[1], answer.data(), answer.size());
    _exit(written == static_cast<ssize_t>(answer.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string answer;
  char buffer[1024];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  if (child > 0) waitpid(child, &status, 0);
  double value = kFailed;
  if (status != 0 || answer.size() < sizeof(value)) {
    *error = std::string(measure.name) + ": crashed";
    return kFailed;
  }
  std::copy_n(answer.data(), sizeof(value), reinterpret_cast<char*>(&value));
  *error = answer.substr(sizeof(value));
  return value;
}

}  // namespace myonly::bench
