#include "allocator/runtime/sampling.h"

#include <sys/ucontext.h>

#include <atomic>
#include <csignal>
#include <cstdlib>

#include "allocator/base/check.h"
#include "allocator/base/guard_keys.h"
#include "allocator/base/system_call.h"
#include "allocator/base/treap.h"
#include "allocator/guard/backtrace.h"
#include "allocator/pages/mmap_page_source.h"
#include "allocator/runtime/fault_handler.h"
#include "allocator/threads/this_thread.h"

namespace myonly::internal {

__attribute__((
    tls_model("initial-exec"))) __thread int32_t Sampling::requests_left = 0;

namespace {

MmapPageSource pages;

constexpr int kStderr = 2;
constexpr int32_t kNever = INT32_MAX;
constexpr size_t kMaxRate = size_t{1} << 30;

// Written at start. The rate is kNotYet before.
constexpr uint32_t kNotYet = UINT32_MAX;
std::atomic<uint32_t> rate{kNotYet};
size_t num_slots = 0;

std::atomic<bool> is_sandboxed{false};

struct ThisSampler {
  uint64_t random;  // 0: nothing has been drawn yet
  uint64_t thread;  // its number; 0: not asked for yet
  bool is_busy;     // what the unwinder asks for is not sampled
};
__attribute__((tls_model("initial-exec"))) __thread ThisSampler sampler = {};

// How many requests go by before the next one that is sampled: `rate` - 1 on
// average.
int32_t Draw(uint32_t one_of) {
  uint64_t& random = sampler.random;
  random ^= random << 13;
  random ^= random >> 7;
  random ^= random << 17;
  return static_cast<int32_t>((random >> 32) % (2 * uint64_t{one_of} - 1));
}

uint64_t AskForThreadNumber() {
  return static_cast<uint64_t>(SystemCall(SystemCallNumber::kGetTid));
}

// As the system and debuggers number them.
uint64_t ThreadNumber() {
  if (sampler.thread == 0 && !is_sandboxed.load(std::memory_order_relaxed)) {
    sampler.thread = AskForThreadNumber();
  }
  return sampler.thread;
}

ABSL_ATTRIBUTE_NOINLINE void Trace(GuardedTrace* who) {
  sampler.is_busy = true;
  who->thread = ThreadNumber();
  who->count = CaptureStack(who->frames, GuardedTrace::kFrames);
  sampler.is_busy = false;
}

// --- Reports. ---

// One at a time; who waits for long goes ahead.
std::atomic<bool> is_reporting{false};
void BeginReport() {
  for (int i = 0; i < 10000 && is_reporting.exchange(true); ++i) {
    SystemCall(SystemCallNumber::kSchedYield);
  }
}
void EndReport() { is_reporting.store(false); }

void PrintTrace(const char* what, const GuardedTrace& who) {
  Printer title;
  title.Text("  ").Text(what).Text(" by thread ").Number(who.thread).Text(":");
  PrintStack(kStderr, title.text(), who.frames, who.count);
}

void PrintLine(const char* what, const void* address,
               const GuardedBlock* block) {
  Printer line;
  line.Text("myonlymalloc: ").Text(what).Text(" at ").Address(address);
  line.Text(", arena process");
  if (block != nullptr) line.Text(", size ").Number(block->bytes);
  line.Text("\n").WriteTo(kStderr);
}

void PrintPlace(const char* access, const char* address,
                const GuardedBlock& block) {
  Printer line;
  line.Text("  ").Text(access).Text(", ");
  const char* end = block.start + block.bytes;
  if (address < block.start) {
    line.Number(static_cast<uint64_t>(block.start - address));
    line.Text(" bytes before");
  } else if (address < end) {
    line.Number(static_cast<uint64_t>(address - block.start));
    line.Text(" bytes into");
  } else {
    line.Number(static_cast<uint64_t>(address - end)).Text(" bytes behind");
  }
  line.Text(" the block of ").Number(block.bytes).Text(" bytes at ");
  line.Address(block.start).Text("\n").WriteTo(kStderr);
}

void PrintHistory(const GuardedBlock& block) {
  if (!block.is_live) PrintTrace("freed", block.freed);
  PrintTrace("allocated", block.allocated);
}

const char* WhatFaulted(const char* address, const GuardedBlock& block) {
  if (!block.is_live) return "use after free";
  return address < block.start ? "access before a block"
                               : "access behind the end of a block";
}

const char* AccessOf([[maybe_unused]] const ucontext_t& context) {
#ifdef __x86_64__
  constexpr greg_t kWrite = 2;
  return (context.uc_mcontext.gregs[REG_ERR] & kWrite) != 0 ? "a write"
                                                            : "a read";
#else
  return "an access";
#endif
}

// The stack from where the fault was on: what is above is the handler's.
void DropHandler([[maybe_unused]] const ucontext_t& context,
                 GuardedTrace* who) {
#ifdef __x86_64__
  auto* at = reinterpret_cast<void*>(context.uc_mcontext.gregs[REG_RIP]);
  for (size_t i = 0; i < who->count; ++i) {
    if (who->frames[i] != at) continue;
    who->count -= i;
    for (size_t j = 0; j < who->count; ++j) who->frames[j] = who->frames[i + j];
    return;
  }
#endif
}

void ReportFault(const siginfo_t* info, void* context) {
  const auto* address = static_cast<const char*>(info->si_addr);
  GuardedBlock block;
  if (info->si_code <= 0 || !Sampling::Has(address) ||
      !Sampling::BlockAt(address, &block)) {
    return;
  }
  // Its program has forbidden what it does there.
  if (block.is_live && block.Has(address)) return;
  const auto& machine = *static_cast<const ucontext_t*>(context);
  GuardedTrace who;
  Trace(&who);
  DropHandler(machine, &who);
  BeginReport();
  PrintLine(WhatFaulted(address, block), address, &block);
  PrintPlace(AccessOf(machine), address, block);
  PrintTrace("accessed", who);
  PrintHistory(block);
  EndReport();
}

}  // namespace

ABSL_CONST_INIT GuardedPool Sampling::pool_{pages};

void Sampling::Report(const char* what, const void* ptr) {
  GuardedTrace who;
  Trace(&who);
  GuardedBlock block;
  const bool has_block = BlockAt(ptr, &block);
  BeginReport();
  PrintLine(what, ptr, has_block ? &block : nullptr);
  PrintTrace("called", who);
  if (has_block) PrintHistory(block);
  EndReport();
  if (!GoesOnAfterMisuse()) abort();
}

// --- Allocating and freeing. ---

void Sampling::Start(size_t one_of, size_t slots) {
  num_slots = slots;
  rate.store(static_cast<uint32_t>(Min(one_of, kMaxRate)),
             std::memory_order_release);
}

// Draws, when it is due, what becomes of this request and of the next ones.
bool Sampling::Admits(size_t size, size_t alignment) {
  const uint32_t one_of = rate.load(std::memory_order_acquire);
  requests_left = 0;
  if (one_of == kNotYet) return false;
  if (one_of == 0) {
    requests_left = kNever;
    return false;
  }
  if (this_thread.state == nullptr || sampler.is_busy ||
      !GuardedPool::Serves(size, alignment)) {
    return false;  // but one of the next ones
  }
  bool is_sampled = true;
  if (sampler.random == 0) {
    sampler.random =
        MixBits(guard_keys.order + reinterpret_cast<uintptr_t>(&sampler)) | 1;
    const int32_t first = Draw(one_of);
    is_sampled = first == 0;
    if (!is_sampled) requests_left = first - 1;
  }
  if (is_sampled) requests_left = Draw(one_of);
  return is_sampled && pool_.Open(num_slots, guard_keys.order);
}

void Sampling::PrepareForSandbox() {
  const uint32_t one_of = rate.load(std::memory_order_acquire);
  if (one_of == kNotYet || one_of == 0) return;
  MakeGuardKeys();
  if (pool_.Open(num_slots, guard_keys.order)) KeepFaultHandler(ReportFault);
  ThreadNumber();
  is_sandboxed.store(true, std::memory_order_relaxed);
}

void Sampling::ChildAfterFork() { sampler.thread = 0; }

void* Sampling::Allocate(size_t size, size_t alignment) {
  if (!Admits(size, alignment) || pool_.IsFull()) return nullptr;
  if (!is_sandboxed.load(std::memory_order_relaxed)) {
    KeepFaultHandler(ReportFault);
  }
  GuardedTrace who;
  Trace(&who);
  return pool_.Allocate(size, alignment, who);
}

void Sampling::Free(void* ptr) {
  GuardedTrace who;
  Trace(&who);
  const char* wrong = pool_.Free(ptr, who);
  if (wrong != nullptr) Report(wrong, ptr);
}

bool Sampling::SizeOf(const void* ptr, size_t* bytes) {
  const char* wrong = pool_.Find(ptr, bytes);
  if (wrong == nullptr) return true;
  Report(wrong, ptr);
  return false;
}

// --- Figures. ---

void Sampling::AddStats(ArenaStats* stats) {
  const GuardedPool::Figures figures = pool_.figures();
  stats->allocations += figures.allocations;
  stats->frees += figures.frees;
  stats->live_blocks += figures.allocations - figures.frees;
  stats->live_bytes += figures.live_bytes;
  stats->peak_live_bytes += figures.peak_live_bytes;
  stats->large_bytes += figures.page_bytes;
  stats->charged_bytes += figures.page_bytes;
}

}  // namespace myonly::internal
