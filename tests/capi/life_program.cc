// Uses the heap at every point of a program's life, from before the first
// constructor to after the last destructor, and writes each point's name.
//
//   life_program return|exit|quick_exit|thread_exit
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <thread>

#include "tests/capi/use_heap.h"

namespace {

using myonly::testing::UseHeap;

// A block from before main that is freed after it.
void* early_block = nullptr;

void AtPreinit(int, char**, char**) {
  UseHeap("preinit_array");
  early_block = malloc(1000);
}

__attribute__((section(".preinit_array"),
               used)) void (*const preinit)(int, char**, char**) = AtPreinit;

__attribute__((constructor(101))) void First() { UseHeap("constructor 101"); }
__attribute__((destructor(101))) void Last() {
  free(early_block);
  UseHeap("destructor 101");
}
__attribute__((constructor)) void Default() { UseHeap("constructor"); }

struct Global {
  Global() { UseHeap("global object"); }
  ~Global() { UseHeap("global object's end"); }
} global;

// A destructor of thread-local data, with a block of its own.
struct Local {
  void* block = malloc(300);
  ~Local() {
    free(block);
    UseHeap("thread_local's end");
  }
};
thread_local Local local;

pthread_key_t key;

void EndOfKey(void* block) {
  free(block);
  UseHeap("key's end");
}

void Thread() {
  if (local.block == nullptr) abort();
  pthread_setspecific(key, malloc(3000));
  UseHeap("thread");
}

// Waits until `main` has ended, and is the last thread then.
void OutliveMain(pthread_t main) {
  if (pthread_join(main, nullptr) != 0) abort();
  UseHeap("last thread");
}

}  // namespace

int main(int argc, char** argv) {
  UseHeap("main");
  pthread_key_create(&key, EndOfKey);
  std::thread(Thread).join();
  if (local.block == nullptr) abort();
  atexit([] { UseHeap("atexit"); });
  at_quick_exit([] { UseHeap("at_quick_exit"); });
  const char* end = argc == 2 ? argv[1] : "";
  if (strcmp(end, "quick_exit") == 0) quick_exit(0);
  if (strcmp(end, "exit") == 0) exit(0);
  if (strcmp(end, "thread_exit") == 0) {
    std::thread(OutliveMain, pthread_self()).detach();
    pthread_exit(nullptr);
  }
  return 0;
}
