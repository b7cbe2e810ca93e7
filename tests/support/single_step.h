// Runs code one instruction at a time, with a look after each: what a signal
// handler meets, whatever moment the signal comes at.
#ifndef MYONLY_TESTS_SUPPORT_SINGLE_STEP_H_
#define MYONLY_TESTS_SUPPORT_SINGLE_STEP_H_

#include <cstddef>

namespace myonly::testing {

// Whether this processor can do it, and it isn't done already by who watches.
bool CanSingleStep();

// Calls `run`, and `look` in a signal handler after each instruction of it.
// Returns the number of looks.
size_t SingleStep(void (*run)(void* context), void (*look)(void* context),
                  void* context);

// In a look: it is the last one, and `run` goes on at its own pace.
void StopStepping();

}  // namespace myonly::testing

#endif  // MYONLY_TESTS_SUPPORT_SINGLE_STEP_H_
