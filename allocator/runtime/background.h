// A thread that gives memory back while the program makes no calls; only if an
// option asks for it.
//
// It does what any thread's slow path does for all: free runs and the pages of
// orphans. What a living thread holds is that thread's own business, as nothing
// of its fast path waits for another thread.
#ifndef MYONLY_ALLOCATOR_RUNTIME_BACKGROUND_H_
#define MYONLY_ALLOCATOR_RUNTIME_BACKGROUND_H_

namespace myonly::internal {

// Once, at the start of the process. All signals are blocked in it. False: the
// system refuses. The child of a fork has no such thread.
bool StartBackground();

}  // namespace myonly::internal

#endif  // MYONLY_ALLOCATOR_RUNTIME_BACKGROUND_H_
