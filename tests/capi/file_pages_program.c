/* Does what ordinary programs do with memory, in two threads, then prints what
 * the kernel says of its mappings. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kBlocks = 200 };

static void* Use(void* unused) {
  char* blocks[kBlocks];
  for (int i = 0; i < kBlocks; ++i) {
    const size_t size = (size_t)i * (size_t)i + 1;
    blocks[i] = i % 3 ? malloc(size) : calloc(1, size);
    if (blocks[i] == NULL) abort();
    memset(blocks[i], i, size);
  }
  for (int i = 0; i < kBlocks; i += 2) {
    char* longer = realloc(blocks[i], 3 * (size_t)i + 7);
    if (longer == NULL) abort();
    blocks[i] = longer;
  }
  for (int i = 0; i < kBlocks; ++i) free(blocks[i]);
  return unused;
}

int main(void) {
  pthread_t thread;
  Use(NULL);
  if (pthread_create(&thread, NULL, Use, NULL) != 0) return 1;
  if (pthread_join(thread, NULL) != 0) return 1;
  const int file = open("/proc/self/smaps", O_RDONLY);
  char text[4096];
  ssize_t size;
  while ((size = read(file, text, sizeof(text))) > 0) {
    if (write(STDOUT_FILENO, text, (size_t)size) != size) return 1;
  }
  return size < 0;
}
