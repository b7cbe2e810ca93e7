// Does one thing to the heap, by its first argument, for debug_test.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>

namespace {

template <typename T>
__attribute__((noinline)) T* Launder(T* pointer) {
  asm volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

}  // namespace

// Named in the stacks that are expected: neither inlined nor left by a jump.
#define NAMED extern "C" __attribute__((noinline, visibility("default")))

NAMED char* make_block(size_t size) {
  return Launder(static_cast<char*>(malloc(size)));
}

NAMED char* new_block(size_t size) {
  return Launder(static_cast<char*>(::operator new(size)));
}

NAMED void free_block(char* block) {
  free(block);
  asm volatile("" : : : "memory");
}

NAMED void free_again(char* block) {
  free(Launder(block));
  asm volatile("" : : : "memory");
}

namespace {

constexpr size_t kMostFilled = 65536;

// From `start` on, as far as blocks are filled.
bool IsFilled(const char* block, size_t start, size_t end, unsigned char byte) {
  if (end > kMostFilled) end = kMostFilled;
  for (size_t i = start; i < end; ++i) {
    if (static_cast<unsigned char>(Launder(block)[i]) != byte) return false;
  }
  return true;
}

// 0, or the number of the first check that fails.
int Fill() {
  constexpr size_t kSizes[] = {1, 24, 100, 1000, 5000, 65000, 300000};
  for (size_t size : kSizes) {
    char* block = make_block(size);
    if (!IsFilled(block, 0, size, 0xab)) return 2;
    if (malloc_usable_size(block) < size) return 3;
    memset(block, 'x', size);
    block = static_cast<char*>(realloc(Launder(block), 2 * size));
    if (!IsFilled(block, 0, size, 'x')) return 4;
    if (!IsFilled(block, size, 2 * size, 0xab)) return 5;
    free_block(block);
    if (2 * size <= kMostFilled && !IsFilled(block, 0, 2 * size, 0xdf)) {
      return 6;
    }
    char* zeroed = Launder(static_cast<char*>(calloc(1, size)));
    if (!IsFilled(zeroed, 0, size, 0)) return 7;
    free_block(zeroed);
  }
  // Much more than is filled.
  char* large = make_block(size_t{1} << 30);
  if (large == nullptr || !IsFilled(large, 0, kMostFilled, 0xab)) return 8;
  if (large[kMostFilled] != 0) return 9;
  free_block(large);
  return 0;
}

void Overflow() {
  char* block = make_block(40);
  Launder(block)[40] = 'x';
  free_block(block);
}

void WriteAfterFree() {
  char* block = make_block(40);
  free_block(block);
  Launder(block)[20] = 'x';
  for (int i = 0; i < 100; ++i) free_again(make_block(64));
  abort();  // it should have been seen by now
}

void DeleteWithWrongSize() {
  char* block = new_block(300000);
  ::operator delete (Launder(block), size_t{299999});
}

char* kept[100];
void Leak() {
  for (int i = 0; i < 100; ++i) kept[i] = make_block(1000);
  for (int i = 0; i < 50; ++i) free_block(kept[i]);
  memset(kept, 0, sizeof(kept));
}

// From two places, the second one of more bytes in fewer blocks.
int LeakGroups() {
  for (int i = 0; i < 50; ++i) kept[i] = make_block(1000);
  for (int i = 0; i < 30; ++i) kept[50 + i] = make_block(5000);
  memset(kept, 0, sizeof(kept));
  return 0;
}

// Fifty blocks whose addresses nothing has. Each is held by half: its lower
// four bytes end a block of 20 bytes that is found. What is found just before
// has the upper half at the same place: words must not be made of both.
int Halves() {
  for (int i = 0; i < 50; ++i) {
    char* lost = make_block(1000);
    char* half = make_block(20);
    memset(half, 0, 16);
    memcpy(half + 16, &lost, 4);
    char* before = make_block(24);
    char* const words[] = {half, nullptr, before};
    memcpy(before, words, sizeof(words));
    kept[i] = before;
  }
  return 0;
}

// A list of blocks, the first held by its inside; another one held by a thread
// that waits for ever; a large one that holds a small one.
struct Link {
  char space[100];
  char* next;
};
char* first_link;
char** large_block;

void* Wait(void* barrier) {
  char* volatile block = make_block(3000);
  pthread_barrier_wait(static_cast<pthread_barrier_t*>(barrier));
  for (;;) pause();
  return block;
}

bool StartWaiting() {
  static pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, nullptr, 2);
  pthread_t thread;
  if (pthread_create(&thread, nullptr, Wait, &barrier) != 0) return false;
  pthread_barrier_wait(&barrier);
  return true;
}

int Keep() {
  for (int i = 0; i < 1000; ++i) {
    char* block = make_block(sizeof(Link));
    reinterpret_cast<Link*>(block)->next = first_link;
    first_link = block + 50;
  }
  large_block = reinterpret_cast<char**>(make_block(20 << 20));
  large_block[(20 << 17) - 1] = make_block(70000);
  return StartWaiting() ? 0 : 13;
}

// --- Signals. ---

void AllocateInHandler(int /*signal*/) { free_again(make_block(10)); }

// The timer hits malloc within a second or so.
int Interrupt() {
  signal(SIGALRM, AllocateInHandler);
  ualarm(200, 200);
  for (int i = 0; i < 10000000; ++i) free_block(make_block(100));
  return 10;
}

// A handler that has interrupted no call may allocate.
int RaiseOutside() {
  signal(SIGUSR1, AllocateInHandler);
  for (int i = 0; i < 100; ++i) {
    raise(SIGUSR1);
    free_block(make_block(50));
  }
  return 0;
}

// Handlers of SIGABRT that allocate see the end of the report.
void HandleAbort(int /*signal*/) {
  free_block(make_block(100));
  _exit(11);
}

void AbortWithHandler() {
  signal(SIGABRT, HandleAbort);
  char* block = make_block(40);
  free_block(block);
  free_again(block);
}

// Of every kind.
void* UseMany(void* /*unused*/) {
  for (size_t size = 200; size < size_t{32} << 20; size *= 8) {
    free_block(make_block(size));
  }
  return nullptr;
}

// With another thread, so that there are locks; and in the child, where its
// first thread may pass those that are still held.
int Fork() {
  if (!StartWaiting()) return 13;
  for (int i = 0; i < 100; ++i) {
    char* block = make_block(100);
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // a lock that is still held would hang it
      free_block(block);
      pthread_t thread;
      if (pthread_create(&thread, nullptr, UseMany, nullptr) != 0) _exit(1);
      pthread_join(thread, nullptr);
      UseMany(nullptr);
      _exit(0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) return 12;
    free_block(block);
  }
  return 0;
}

void* AlignedBlock(size_t size) { return aligned_alloc(64, size); }
void* ZeroedBlock(size_t size) { return calloc(1, size); }

// Starts the program again with few addresses, as the allocator looks at the
// limit when it begins.
int StartShort(char** arguments) {
  const rlimit limit = {size_t{96} << 20, RLIM_INFINITY};
  char again[] = "again";
  char* all[] = {arguments[0], arguments[1], again, nullptr};
  return setrlimit(RLIMIT_AS, &limit) == 0 ? execv("/proc/self/exe", all) : 16;
}

// When no memory is left what was freed serves requests, though it would wait.
int ReuseFreed(void* (*allocate)(size_t)) {
  constexpr size_t kBytes = 50000;
  constexpr size_t kFreed = 100;
  constexpr size_t kMost = 100000;
  static void* blocks[kMost];
  size_t made = 0;
  while (made < kMost && (blocks[made] = allocate(kBytes)) != nullptr) ++made;
  if (made < 2 * kFreed || made == kMost) return 14;
  for (size_t i = 0; i < kFreed; ++i) free_block(static_cast<char*>(blocks[i]));
  size_t again = 0;
  while (again < made && allocate(kBytes) != nullptr) ++again;
  return again > kFreed / 2 ? 0 : 15;
}

char* Resized(char* block) { return static_cast<char*>(realloc(block, 100)); }

// Each in its own way, also when an address passes from one to the other.
int Families() {
  for (size_t i = 0; i < 3000; ++i) {
    const size_t size = 1 + i * 41 % 70000;
    free_block(make_block(size));
    delete[] Launder(new char[size]);
    delete Launder(new (std::nothrow) char);
    ::operator delete (Launder(static_cast<char*>(
                           ::operator new (size, std::align_val_t{64}))),
                       std::align_val_t{64});
    ::operator delete(Launder(static_cast<char*>(::operator new(size))), size);
    free(Launder(Resized(make_block(size))));
    free(Launder(static_cast<char*>(calloc(1, size))));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  auto is = [what](const char* name) { return strcmp(what, name) == 0; };
  if (is("fill")) return Fill();
  if (is("overflow")) Overflow();
  if (is("write")) WriteAfterFree();
  if (is("size")) DeleteWithWrongSize();
  if (is("leak")) Leak();
  if (is("groups")) return LeakGroups();
  if (is("keep")) return Keep();
  if (is("halves")) return Halves();
  if (is("interrupt")) return Interrupt();
  if (is("raise")) return RaiseOutside();
  if (is("abort")) AbortWithHandler();
  if (is("fork")) return Fork();
  if (strncmp(what, "short", 5) == 0 && argc == 2) return StartShort(argv);
  if (is("short_malloc")) return ReuseFreed(malloc);
  if (is("short_calloc")) return ReuseFreed(ZeroedBlock);
  if (is("short_aligned")) return ReuseFreed(AlignedBlock);
  if (is("twice")) {
    char* block = make_block(48);
    free_block(block);
    free_again(block);
  }
  if (is("delete_malloc")) delete Launder(make_block(48));
  if (is("free_new")) free_block(Launder(new char[48]));
  if (is("realloc_new")) free_block(Resized(Launder(new char)));
  if (is("families")) return Families();
  if (is("inside")) free_block(make_block(48) + 16);
  if (is("foreign")) free_block(reinterpret_cast<char*>(&argc));
  return 0;
}
