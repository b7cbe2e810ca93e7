// What the programs of this folder are made of. Each one misuses the heap in
// one way, which its name tells, and prints what became of it:
//
//   DETECTED        the allocator ended the process
//   GUARDED         the bad access itself faulted
//   REPORTED        the allocator said so and went on; the heap is whole
//   HARMLESS        nothing was noticed, and nothing is broken
//   MISSED          bytes of another live block were overwritten, unnoticed
//   LEAK            a new block shows what a freed one held
//   OVERLAP         two live blocks overlap
//   CHOSEN_ADDRESS  an allocation gave an address that the program made up
//   CRASH, HANG     the allocator followed garbage
//   UNSUPPORTED     the allocator lacks the function
//
// A program defines Program(); harness.c runs it in a child process. Nothing
// here depends on the allocator, which LD_PRELOAD brings.
#ifndef MYONLY_TESTS_MISUSE_PROGRAMS_HARNESS_H_
#define MYONLY_TESTS_MISUSE_PROGRAMS_HARNESS_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  kSmall = 40,
  kMedium = 3000,
  kLarge = 200 << 10,
  kHuge = 32 << 20,
  kPage = 4096,
};

// What the file of a program defines.
void Program(void);

// A live block, filled with a pattern. Every block that the allocator gives
// must lie apart from all live ones and from what Choose() has named.
char* Get(size_t size);
// The same for one that was allocated in another way.
char* Keep(void* block, size_t size);
// The end of a live block: free.
void Drop(void* block);
// The same without free: for who frees it in another way.
void Forget(const void* block);

// Calls of the allocator that a sane program would not make. The compiler knows
// nothing of them.
void Free(void* ptr);
void* Resize(void* ptr, size_t size);
size_t UsableSize(void* ptr);

// Accesses that may fault where pages are guarded.
void Fill(void* at, int byte, size_t bytes);
void Copy(void* to, const void* from, size_t bytes);
void PutWord(void* block, size_t word, uintptr_t value);
uintptr_t GetWord(const void* block, size_t word);

// These bytes may not be handed out.
void Choose(const void* start, size_t bytes);
// Zeroed bytes with many addresses of themselves in them would do as a fake
// block; 16-byte aligned, writable, chosen.
char* Fake(void);

// From now on the block's bytes must stay what they are.
void Watch(const void* block);

// Allocates and frees `count` blocks of `size`, keeps `kept` of them.
void Churn(size_t size, size_t count, size_t kept);

// Runs it in another thread to its end.
void InThread(void (*run)(void*), void* argument);
// Runs it in two threads at the same time.
void InTwoThreads(void (*run)(void*), void* argument);

// Ends the program with this outcome at once.
__attribute__((noreturn)) void Leak(void);
__attribute__((noreturn)) void Unsupported(void);

// NULL if the process has none.
void* Function(const char* name);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // MYONLY_TESTS_MISUSE_PROGRAMS_HARNESS_H_
