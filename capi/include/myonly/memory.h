/* MyAndOnlyMalloc: arenas over memory that the program gives. Part of myonly.h,
 * which says how calls answer.
 *
 * Copyright 2026 The MyAndOnlyMalloc Authors. Licensed under Apache-2.0.
 *
 * Such an arena has everything in that memory but its handle and the record of
 * its addresses, and never asks the system for more. It is full: NULL with
 * MYONLY_ERR_NOMEM (MYONLY_ERR_QUOTA: its own limit comes first). Its blocks
 * are freed and resized like all others. Every call takes its lock: threads
 * have no shares of it. MYONLY_ARENA_POISON_ON_RESET is MYONLY_ERR_UNSUPPORTED
 * for it.
 */
#ifndef MYONLY_MEMORY_H_
#define MYONLY_MEMORY_H_

#include <myonly/myonly.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where an arena takes its pages from. The table is copied when the arena is
 * created. The functions are called by any thread, under the arena's lock: they
 * must not call this library for that arena, nor for all arenas (myonly_purge,
 * malloc_trim, myonly_stats_write). They may allocate elsewhere, also the
 * pages, but these not in another arena with such memory, and may do all else
 * with other arenas. They must not throw, nor fork, which waits for that lock,
 * nor start the first thread that the process has beside its own: the lock is
 * real from the second one on. */
struct myonly_page_source {
  uint32_t struct_size;
  uint32_t version; /* of this struct: 0 */
  void* ctx;        /* given to each function */
  /* `bytes` of memory that can be read and written and reads as zero, aligned
   * to `alignment`, a power of two of at least 4,096; or NULL. 2 MiB or more at
   * a time, twice as much each time; less if that is refused. */
  void* (*reserve)(void* ctx, size_t bytes, size_t alignment);
  /* The arena does not need the contents of these whole pages for now: they may
   * be given back if they read as zero afterwards: 1. Else, or NULL: 0. */
  int (*purge)(void* ctx, void* start, size_t bytes);
  /* The arena is destroyed, and with it what `reserve` has returned, whole; 1.
   * May be NULL. */
  int (*release)(void* ctx, void* start, size_t bytes);
};

#define MYONLY_PAGE_SOURCE_INIT \
  { (uint32_t)sizeof(struct myonly_page_source), 0, NULL, NULL, NULL, NULL }

/* Creates an arena in `buffer`, of 64 KiB or more, at any address; a block of
 * this library will do. All of it is for blocks but some 3.6 KiB (5.1 in the
 * preset secure) and 128 bytes for each 32 KiB. The program must leave the
 * buffer alone until the arena is destroyed, and may do with it what it likes
 * then. options->pages must be NULL. MYONLY_ERR_BUSY: another arena has a part
 * of the buffer. One that has the buffer, or pages of a page source, in a
 * block of its own can be neither reset nor destroyed before: MYONLY_ERR_BUSY;
 * to free or realloc such a block before is a mistake that is reported, but of
 * one of just 64 KiB. Both are not detected while this call, or one that takes
 * pages, is running in another thread. MYONLY_ERR_INVALID: the buffer is in
 * memory of this library that is free. */
MYONLY_API myonly_status myonly_arena_create_in(
    void* buffer, size_t bytes, const myonly_arena_options* options,
    myonly_arena** out) MYONLY_NOEXCEPT;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* MYONLY_MEMORY_H_ */
