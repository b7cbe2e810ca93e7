// Misuses sampled blocks, in the way that its argument names; or uses many of
// them well. Prints where its functions are, for who reads the stacks.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>

namespace {

constexpr size_t kSize = 100;

template <typename T>
T* Launder(T* pointer) {
  asm volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

__attribute__((noinline)) char* Make(size_t size) {
  char* block = Launder(static_cast<char*>(malloc(size)));
  if (block == nullptr) _exit(4);
  memset(block, 'x', size);
  return Launder(block);
}
__attribute__((noinline)) void Drop(char* block) {
  free(Launder(block));
  asm volatile("");  // no tail call: it has a frame
}
__attribute__((noinline)) char Touch(char* at, bool writes) {
  char* volatile place = at;
  if (writes) *place = 'y';
  return *place;
}

// --- Misuse. ---

void* DropIt(void* block) {
  Drop(static_cast<char*>(block));
  return nullptr;
}
void* DropTouched(void* block) {
  Touch(static_cast<char*>(block), true);
  return nullptr;
}

void InThread(void* (*function)(void*), void* block) {
  pthread_t thread;
  if (pthread_create(&thread, nullptr, function, block) != 0) _exit(5);
  pthread_join(thread, nullptr);
}

void WriteBefore() {
  for (int i = 0; i < 100; ++i) {
    char* block = Make(kSize);
    Touch(block - 1, true);
    Drop(block);
  }
}

void FreeOfOldBlock() {
  char* block = Make(kSize);
  Drop(block);
  for (int i = 0; i < 20; ++i) Drop(Make(kSize + 500));
  Drop(block);
}

// Neither is called where it does not help: each ends the process.
void OnFault(int /*signal*/) {
  constexpr char kText[] = "the program's handler\n";
  _exit(write(STDERR_FILENO, kText, sizeof(kText) - 1) > 0 ? 3 : 6);
}

sigjmp_buf after_fault;
void JumpOut(int /*signal*/) { siglongjmp(after_fault, 1); }

// A program that looks whether memory may be read, and goes on if not, also
// when handlers have been set in between.
void GoOnAfterFaults() {
  volatile int faults = 0;
  for (volatile int i = 0; i < 10; i = i + 1) {
    struct sigaction action = {};
    struct sigaction before = {};
    action.sa_handler = JumpOut;
    sigaction(SIGSEGV, &action, &before);
    char* block = Make(kSize);  // a sample: it goes in front of this handler
    Drop(block);
    if (sigsetjmp(after_fault, 1) == 0) {
      Touch(i % 2 == 0 ? block : nullptr, false);
    } else {
      faults = faults + 1;
    }
    sigaction(SIGSEGV, &before, nullptr);
  }
  printf("%d faults\n", faults);
}

// A barrier of a collector: it forbids the pages and hears who comes.
char* barrier;
void LetThrough(int /*signal*/) {
  mprotect(barrier, 4096, PROT_READ | PROT_WRITE);
}

void UseBarrier() {
  signal(SIGSEGV, LetThrough);
  barrier = Launder(static_cast<char*>(aligned_alloc(4096, 4096)));
  mprotect(barrier, 4096, PROT_NONE);
  barrier[10] = 1;
  mprotect(barrier, 4096, PROT_READ);
  barrier[0] = 1;
  Drop(barrier);
}

bool Misuse(const char* how, char* block) {
  const bool in_thread = strcmp(how, "use_after_free_of_thread") == 0;
  if (strcmp(how, "write_after_free") == 0 || in_thread) {
    in_thread ? InThread(DropIt, block) : Drop(block);
    in_thread ? InThread(DropTouched, block + 8)
              : static_cast<void>(Touch(block + 8, true));
  } else if (strcmp(how, "read_after_free") == 0) {
    Drop(block);
    Touch(block + 8, false);
  } else if (strcmp(how, "overflow") == 0) {
    for (char* at = block + kSize;; ++at) Touch(at, true);
  } else if (strcmp(how, "underflow") == 0) {
    for (char* at = block - 1;; --at) Touch(at, true);
  } else if (strcmp(how, "slack") == 0) {
    block[kSize] = '\0';
    Drop(block);
  } else if (strcmp(how, "write_before") == 0) {
    WriteBefore();
  } else if (strcmp(how, "double_free") == 0) {
    Drop(block);
    Drop(block);
  } else if (strcmp(how, "late_double_free") == 0) {
    FreeOfOldBlock();
  } else if (strcmp(how, "interior_free") == 0) {
    Drop(block + 16);
  } else if (strcmp(how, "realloc_after_free") == 0) {
    Drop(block);
    Launder(realloc(block, 10));
  } else if (strcmp(how, "wrong_size") == 0) {
    ::operator delete(block, kSize - 1);
  } else if (strcmp(how, "own_handler") == 0) {
    signal(SIGSEGV, OnFault);
    Drop(Make(kSize));
    Drop(block);
    Touch(block, true);
  } else if (strcmp(how, "own_handler_elsewhere") == 0) {
    signal(SIGSEGV, OnFault);
    Drop(Make(kSize));
    Touch(nullptr, true);
  } else if (strcmp(how, "raised") == 0) {
    raise(SIGSEGV);
  } else if (strcmp(how, "fault_elsewhere") == 0) {
    Touch(nullptr, true);
  } else if (strcmp(how, "barrier") == 0) {
    UseBarrier();
  } else if (strcmp(how, "going_on") == 0) {
    GoOnAfterFaults();
  } else {
    return false;
  }
  return true;
}

// --- Good use. ---

bool IsFilled(const char* block, size_t size, char byte) {
  for (size_t i = 0; i < size; ++i) {
    if (block[i] != byte) return false;
  }
  return true;
}
void Expect(bool is_right, int status) {
  if (!is_right) _exit(status);
}

void UseOne(size_t i) {
  const size_t size = i * 131 % (i % 16 == 0 ? 70000 : 3000);
  const size_t alignment = size_t{16} << i % 9;
  char* block = Launder(static_cast<char*>(aligned_alloc(alignment, size)));
  Expect(reinterpret_cast<uintptr_t>(block) % alignment == 0, 10);
  Expect(malloc_usable_size(block) >= size, 11);
  memset(block, 'a', size);
  const size_t usable = malloc_usable_size(block);
  if (usable != 0) {  // to what it has already
    char* same = Launder(static_cast<char*>(realloc(block, usable)));
    Expect(same == block, 15);
  }
  block = Launder(static_cast<char*>(realloc(block, size + 1 + i % 500)));
  Expect(IsFilled(block, size, 'a'), 12);
  char* zeros = Launder(static_cast<char*>(calloc(size + 1, 1)));
  Expect(IsFilled(zeros, size, '\0'), 13);
  free(zeros);
  block = Launder(static_cast<char*>(realloc(block, size / 2 + 1)));
  Expect(IsFilled(block, size / 2, 'a'), 14);
  ::operator delete(block, size / 2 + 1);
  free(Launder(malloc(0)));
}

void* UseMany(void* seed) {
  const auto first = reinterpret_cast<uintptr_t>(seed);
  for (size_t i = 0; i < 100; ++i) UseOne(first + i);
  return nullptr;
}

// Threads, each with its own blocks, while the process forks.
int UseWell() {
  constexpr size_t kThreads = 4;
  pthread_t threads[kThreads];
  for (size_t i = 0; i < kThreads; ++i) {
    Expect(pthread_create(&threads[i], nullptr, UseMany,
                          reinterpret_cast<void*>(i * 1000)) == 0,
           20);
  }
  for (int i = 0; i < 10; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      UseMany(nullptr);
      _exit(0);
    }
    int status = 1;
    Expect(waitpid(child, &status, 0) == child && status == 0, 21);
  }
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  printf("whole\n");
  return 0;
}

// What is sampled counts: at once, as it waits in no quarantine.
int PrintFigures() {
  const struct mallinfo2 before = mallinfo2();
  char* blocks[] = {Make(1000), Make(5000)};
  const struct mallinfo2 now = mallinfo2();
  for (char* block : blocks) Drop(block);
  const struct mallinfo2 after = mallinfo2();
  printf("%zu %zu %zu\n", now.uordblks - before.uordblks,
         now.arena - before.arena, now.uordblks - after.uordblks);
  return 0;
}

}  // namespace

// --- In a sandbox. ---

// From now on every system call kills but those that SECURITY.md names, and
// libc's own.
bool EnterSandbox() {
  constexpr unsigned kAllowed[] = {
      SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_futex,
      SYS_getrandom, SYS_prlimit64,
      // What threads begin and end with.
      SYS_clone, SYS_clone3, SYS_set_robust_list, SYS_rseq, SYS_rt_sigprocmask,
      SYS_exit, SYS_exit_group};
  constexpr size_t kCount = sizeof(kAllowed) / sizeof(kAllowed[0]);
  sock_filter filter[2 * kCount + 2];
  size_t length = 0;
  filter[length++] =
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (unsigned number : kAllowed) {
    filter[length++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
    filter[length++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  filter[length++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  const sock_fprog program = {static_cast<unsigned short>(length), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

void* DoNothing(void* /*arg*/) { return nullptr; }

void* UseManySizes(void* /*arg*/) {
  for (size_t i = 0; i < 100000; ++i) Drop(Make(1 + i % 5000));
  for (size_t i = 1; i < 20; ++i) Drop(Make(i << 20));
  return nullptr;
}

// In a process of its own, whose number is not that of its parent.
int UseInSandbox() {
  const pid_t child = fork();
  if (child != 0) {
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  }
  // With a process's first thread libc makes calls that it makes never again.
  InThread(DoNothing, nullptr);
  if (!EnterSandbox()) _exit(77);
  UseManySizes(nullptr);
  for (int i = 0; i < 3; ++i) InThread(UseManySizes, nullptr);
  _exit(0);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (strcmp(argv[1], "sandbox") == 0) return UseInSandbox();
  if (strcmp(argv[1], "good_use") == 0) return UseWell();
  if (strcmp(argv[1], "figures") == 0) return PrintFigures();
  char* block = Make(kSize);
  printf("%p %p %p %d\n", reinterpret_cast<void*>(&Make),
         reinterpret_cast<void*>(&Drop), reinterpret_cast<void*>(&Touch),
         getpid());
  fflush(stdout);
  return Misuse(argv[1], block) ? 0 : 2;
}
