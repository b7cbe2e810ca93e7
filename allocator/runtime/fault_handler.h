// A handler of SIGSEGV in front of the program's own.
//
// The program's handler, or what the system does without one, follows it as if
// it were not there. When the program has set another handler meanwhile, the
// next call of KeepFaultHandler goes in front of that. Each of the two then
// knows what came before it, so that a handler that calls its predecessor, or
// puts it back, does so here as well.
#ifndef MYONLY_ALLOCATOR_RUNTIME_FAULT_HANDLER_H_
#define MYONLY_ALLOCATOR_RUNTIME_FAULT_HANDLER_H_

#include <csignal>

#include "absl/base/attributes.h"

namespace myonly::internal {

// From now on on_fault(info, context) is called first of all; always the same
// function. Cheap if it is so already: a system call. Thread-safe; keeps errno.
ABSL_ATTRIBUTE_COLD void KeepFaultHandler(
    void (*on_fault)(const siginfo_t* info, void* context));

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_FAULT_HANDLER_H_
