#include "tools/bench/benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"

namespace myonly::bench {
namespace {

using Clock = std::chrono::steady_clock;

class Session {
 public:
  Session(const Plan& plan, const RunOnce& run_once, bool terminal)
      : plan_(plan),
        run_once_(run_once),
        terminal_(terminal),
        runs_per_workload_(plan.allocators.size() *
                           (static_cast<size_t>(plan.rounds) + 1)) {}

  std::vector<Cell> Run() {
    for (size_t i = 0; i < plan_.workloads.size() && !interrupted_; ++i) {
      RunWorkload(i);
    }
    if (terminal_) std::fputs("\r\033[K", stderr);
    return cells_;
  }

  bool interrupted() const { return interrupted_; }

 private:
  void RunWorkload(size_t index) {
    const Workload& workload = plan_.workloads[index];
    const auto start = Clock::now();
    const size_t first_cell = cells_.size();
    for (const Allocator& allocator : plan_.allocators) {
      cells_.push_back({workload.name, allocator.name, kOk, {}, {}});
    }
    answer_.clear();
    has_answer_ = false;
    std::vector<size_t> order(plan_.allocators.size());
    std::iota(order.begin(), order.end(), size_t{0});
    for (int round = 0; round <= plan_.rounds; ++round) {
      // In the warm-up the first one's answer is the right one.
      if (round > 0) std::shuffle(order.begin(), order.end(), random_);
      for (const size_t who : order) {
        Cell* cell = &cells_[first_cell + who];
        if (!interrupted_ && cell->status == kOk) {
          ShowRun(index, round, plan_.allocators[who].name);
          Add(run_once_(workload, plan_.allocators[who]), round, cell);
        }
        ++runs_;
      }
    }
    if (!terminal_) {
      const std::chrono::duration<double> time = Clock::now() - start;
      absl::FPrintF(stderr, "%d/%d %s: %.1f s; %s\n", index + 1,
                    plan_.workloads.size(), workload.name, time.count(),
                    TimeLeft());
    }
  }

  void Add(const bench::Run& run, int round, Cell* cell) {
    if (run.interrupted) {
      interrupted_ = true;
      if (cell->rounds.empty()) cell->status = "skipped: interrupted";
      return;
    }
    cell->status = run.status;
    if (run.status != kOk) return;
    if (!has_answer_) answer_ = run.answer;
    has_answer_ = true;
    if (run.answer != answer_) {
      cell->status = "wrong answer";
    } else if (round > 0) {
      cell->rounds.push_back(run.figures);
      cell->details.push_back(run.details);
    }
  }

  void ShowRun(size_t index, int round, const std::string& allocator) const {
    if (!terminal_) return;
    const std::string stage =
        round == 0 ? std::string("warm-up")
                   : absl::StrFormat("round %d/%d", round, plan_.rounds);
    absl::FPrintF(stderr, "\r\033[K%d/%d %s, %s: %s; %s", index + 1,
                  plan_.workloads.size(), plan_.workloads[index].name, stage,
                  allocator, TimeLeft());
    std::fflush(stderr);
  }

  // As if the runs to come took as long as those that are over.
  std::string TimeLeft() const {
    if (runs_ == 0) return "time left unknown";
    const size_t all = runs_per_workload_ * plan_.workloads.size();
    const std::chrono::duration<double> time = Clock::now() - start_;
    const double each = time.count() / static_cast<double>(runs_);
    return FormatDuration(each * static_cast<double>(all - runs_)) + " left";
  }

  const Plan& plan_;
  const RunOnce& run_once_;
  const bool terminal_;
  const size_t runs_per_workload_;
  const Clock::time_point start_ = Clock::now();
  size_t runs_ = 0;
  std::vector<Cell> cells_;
  std::minstd_rand random_;  // the same in every session
  std::string answer_;       // of the workload that is running
  bool has_answer_ = false;
  bool interrupted_ = false;
};

}  // namespace

std::vector<Cell> RunAll(const Plan& plan, const RunOnce& run_once,
                         bool terminal, bool* interrupted) {
  Session session(plan, run_once, terminal);
  std::vector<Cell> cells = session.Run();
  *interrupted = session.interrupted();
  for (Cell& cell : cells) {
    // An interrupted workload may have come no further than its warm-up.
    if (cell.status == kOk && cell.rounds.empty()) {
      cell.status = "skipped: interrupted";
    }
    if (cell.status == kOk) continue;
    cell.rounds.clear();
    cell.details.clear();
  }
  return cells;
}

std::string FormatDuration(double seconds) {
  const long whole = std::lround(seconds);
  if (whole < 60) return absl::StrFormat("%d s", whole);
  return absl::StrFormat("%d min %d s", whole / 60, whole % 60);
}

}  // namespace myonly::bench
