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
// function. Cheap if it is so already: a system call, and none where
// ExpectNotes was called and nothing was noted. Thread-safe; keeps errno.
ABSL_ATTRIBUTE_COLD void KeepFaultHandler(
    void (*on_fault)(const siginfo_t* info, void* context));

// Each change of the handler will be noted. At the process's start.
ABSL_ATTRIBUTE_COLD void ExpectNotes();
// The program may have set a handler. Async-signal-safe.
ABSL_ATTRIBUTE_COLD void NoteFaultHandler();

// The system's sigaction, which nobody is told of.
ABSL_ATTRIBUTE_COLD int SetSystemAction(int signal,
                                        const struct sigaction* action,
                                        struct sigaction* before);

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_FAULT_HANDLER_H_
