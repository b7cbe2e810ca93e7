/* Two arenas for two lifetimes: the words of a text in one, the index over
 * them in the other.
 *
 *   two_arenas FILE...        (no file: standard input)
 *
 * Shows: each arena has its own statistics, and they fit what was put there;
 * dropping the index leaves every word alone.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "myonly/myonly.h"

enum { kMaxWord = 256, kTop = 5 };

/* Lives in the index arena; `text` in the words arena. */
typedef struct Entry {
  const char* text;
  uint64_t count;
  struct Entry* next; /* in its bucket */
} Entry;

typedef struct Index {
  myonly_arena* words;
  myonly_arena* arena;
  Entry** buckets;
  size_t num_buckets; /* a power of two */
  size_t distinct;
  uint64_t total;
} Index;

static void Check(int good, const char* what) {
  if (good) return;
  fprintf(stderr, "two_arenas: %s: %s\n", what,
          myonly_status_str(myonly_last_status()));
  exit(1);
}

static myonly_arena* CreateArena(const char* name) {
  myonly_arena_options options = MYONLY_ARENA_OPTIONS_INIT;
  myonly_arena* arena;
  options.name = name;
  Check(myonly_arena_create(&options, &arena) == MYONLY_OK, "create");
  return arena;
}

static size_t Hash(const char* text) { /* FNV-1a */
  uint64_t hash = 14695981039346656037u;
  for (; *text != 0; ++text) {
    hash = (hash ^ (unsigned char)*text) * 1099511628211u;
  }
  return (size_t)(hash ^ (hash >> 32));
}

static Entry** Bucket(Index* index, const char* text) {
  return &index->buckets[Hash(text) & (index->num_buckets - 1)];
}

/* Twice the buckets. The entries stay where they are. */
static void Grow(Index* index) {
  Entry** old = index->buckets;
  const size_t num_old = index->num_buckets;
  size_t i;
  index->num_buckets = num_old == 0 ? 64 : num_old * 2;
  index->buckets =
      myonly_arena_calloc(index->arena, index->num_buckets, sizeof(Entry*));
  Check(index->buckets != NULL, "buckets");
  for (i = 0; i < num_old; ++i) {
    Entry* entry = old[i];
    while (entry != NULL) {
      Entry* next = entry->next;
      Entry** bucket = Bucket(index, entry->text);
      entry->next = *bucket;
      *bucket = entry;
      entry = next;
    }
  }
  myonly_free(old);
}

static void AddWord(Index* index, const char* word, size_t length) {
  Entry* entry = *Bucket(index, word);
  char* text;
  ++index->total;
  while (entry != NULL && strcmp(entry->text, word) != 0) entry = entry->next;
  if (entry != NULL) {
    ++entry->count;
    return;
  }
  if (index->distinct == index->num_buckets) Grow(index);
  text = myonly_arena_alloc(index->words, length + 1);
  entry = myonly_arena_alloc(index->arena, sizeof(*entry));
  Check(text != NULL && entry != NULL, "word");
  memcpy(text, word, length + 1);
  entry->text = text;
  entry->count = 1;
  entry->next = *Bucket(index, word);
  *Bucket(index, word) = entry;
  ++index->distinct;
}

static void ReadText(Index* index, FILE* file) {
  char word[kMaxWord];
  size_t length = 0;
  int c;
  do {
    c = getc(file);
    if (c != EOF && isalpha(c) && length + 1 < kMaxWord) {
      word[length++] = (char)tolower(c);
    } else if (length != 0) {
      word[length] = 0;
      AddWord(index, word, length);
      length = 0;
    }
  } while (c != EOF);
}

/* Most frequent first, then by the alphabet. */
static int Before(const void* left, const void* right) {
  const Entry* a = *(Entry* const*)left;
  const Entry* b = *(Entry* const*)right;
  if (a->count != b->count) return a->count > b->count ? -1 : 1;
  return strcmp(a->text, b->text);
}

static void PrintTop(const Index* index) {
  Entry** sorted =
      myonly_arena_calloc(index->arena, index->distinct, sizeof(Entry*));
  Entry* entry;
  size_t num = 0;
  size_t i;
  Check(sorted != NULL, "sort");
  for (i = 0; i < index->num_buckets; ++i) {
    for (entry = index->buckets[i]; entry != NULL; entry = entry->next) {
      sorted[num++] = entry;
    }
  }
  qsort(sorted, num, sizeof(*sorted), Before);
  for (i = 0; i < num && i < kTop; ++i) {
    printf("  %-16s %6" PRIu64 " times\n", sorted[i]->text, sorted[i]->count);
  }
  myonly_free(sorted);
}

static void PrintStats(myonly_arena* arena) {
  myonly_arena_stats_t stats = MYONLY_ARENA_STATS_INIT;
  Check(myonly_arena_stats(arena, &stats) == MYONLY_OK, "stats");
  printf("  arena %-6s  live %6" PRIu64 " blocks %8" PRIu64
         " bytes   allocations %6" PRIu64 "   frees %6" PRIu64
         "   reserved %5" PRIu64 " KiB\n",
         stats.name, stats.live_blocks, stats.live_bytes, stats.allocations,
         stats.frees, stats.reserved_bytes / 1024);
}

int main(int argc, char** argv) {
  Index index = {NULL, NULL, NULL, 0, 0, 0};
  int i;
  index.words = CreateArena("words");
  index.arena = CreateArena("index");
  Grow(&index);
  if (argc < 2) ReadText(&index, stdin);
  for (i = 1; i < argc; ++i) {
    FILE* file = fopen(argv[i], "r");
    if (file == NULL) {
      perror(argv[i]);
      return 1;
    }
    ReadText(&index, file);
    fclose(file);
  }
  printf("%" PRIu64 " words, %zu different\n", index.total, index.distinct);
  PrintTop(&index);
  printf("with the index:\n");
  PrintStats(index.words);
  PrintStats(index.arena);
  Check(myonly_arena_reset(index.arena) == MYONLY_OK, "reset");
  printf("after its reset:\n");
  PrintStats(index.words);
  PrintStats(index.arena);
  Check(myonly_arena_check(index.words) == MYONLY_OK, "check");
  Check(myonly_arena_destroy(index.arena, MYONLY_DESTROY_FREE) == MYONLY_OK,
        "destroy");
  Check(myonly_arena_destroy(index.words, MYONLY_DESTROY_FREE) == MYONLY_OK,
        "destroy");
  return 0;
}
