// The process's heap: the default arena, the arena registry and the pools of
// pages they share, and the only mutable globals of the library.
//
// malloc: Allocate -> the default arena. free: the address -> slice descriptor
// (or huge mapping) -> its arena. It exists before any constructor has run:
// everything in it is constant-initialised, the first allocation reserves.
//
// Thread-safe.
#ifndef MYONLY_ALLOCATOR_RUNTIME_PROCESS_HEAP_H_
#define MYONLY_ALLOCATOR_RUNTIME_PROCESS_HEAP_H_
// (contract for capi; see the functions below)
#endif
