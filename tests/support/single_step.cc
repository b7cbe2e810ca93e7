#include "tests/support/single_step.h"

#include <signal.h>
#include <ucontext.h>

namespace myonly::testing {

#if defined(__x86_64__)
namespace {

// The processor traps after each instruction while this flag is set. A handler
// runs without it.
constexpr greg_t kTrapFlag = 0x100;

volatile bool is_stepping = false;
size_t looks = 0;
void (*look_now)(void*) = nullptr;
void* look_context = nullptr;

void OnTrap(int /*signal*/, siginfo_t* /*info*/, void* context) {
  auto* machine = static_cast<ucontext_t*>(context);
  if (!is_stepping) {
    machine->uc_mcontext.gregs[REG_EFL] &= ~kTrapFlag;
    return;
  }
  ++looks;
  look_now(look_context);
  machine->uc_mcontext.gregs[REG_EFL] |= kTrapFlag;
}

}  // namespace

bool CanSingleStep() { return true; }

size_t SingleStep(void (*run)(void* context), void (*look)(void* context),
                  void* context) {
  struct sigaction action = {};
  struct sigaction before;
  action.sa_sigaction = OnTrap;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, &before);
  looks = 0;
  look_now = look;
  look_context = context;
  is_stepping = true;
  raise(SIGTRAP);
  run(context);
  is_stepping = false;
  // One more trap clears the flag.
  asm volatile("nop");
  sigaction(SIGTRAP, &before, nullptr);
  return looks;
}

void StopStepping() { is_stepping = false; }
#else
bool CanSingleStep() { return false; }

void StopStepping() {}

size_t SingleStep(void (* /*run*/)(void* context),
                  void (* /*look*/)(void* context), void* /*context*/) {
  return 0;
}
#endif

}  // namespace myonly::testing
