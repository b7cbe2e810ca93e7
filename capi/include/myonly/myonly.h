/* MyAndOnlyMalloc: the C API.
 *
 * Copyright 2026 The MyAndOnlyMalloc Authors. Licensed under Apache-2.0.
 *
 * Conventions
 *  1. Handles (myonly_arena*) are opaque. They are not addresses: never
 *     dereference one. A handle of a destroyed arena is recognised and answered
 *     with MYONLY_ERR_STALE, a value that never was one with
 *     MYONLY_ERR_INVALID.
 *  2. Structs that are passed in or out begin with `struct_size`. Set it with
 *     the _INIT macro; the library reads and writes no more than that.
 *  3. Calls that allocate return a pointer, or NULL with errno = ENOMEM (EINVAL
 *     for a bad alignment) and the reason in myonly_last_status(). The other
 *     calls return a myonly_status. Freeing keeps errno.
 *  4. A size of 0 gives a block of its own. Of the process heap every touch of
 *     it faults (MYONLY_ZERO_SIZE_FAULTS=0: in release it has 16 bytes or
 *     more). Products are checked for overflow.
 *     Every power of two is a valid alignment; blocks are aligned to 16 bytes
 *     at least. Sizes and alignments are in bytes.
 *  5. Thread-safe: every function may be called by any thread at any time,
 *     unless its comment says otherwise. None is async-signal-safe, unless its
 *     comment says so.
 *  6. Freeing an address that is not a live block's (double free, an address
 *     inside a block, stack or global memory, a block whose header was
 *     overwritten) prints one line on stderr and aborts.
 *
 * This header is C11 and C++17.
 */
#ifndef MYONLY_MYONLY_H_
#define MYONLY_MYONLY_H_

#include <stddef.h>
#include <stdint.h>

#define MYONLY_VERSION_MAJOR 0
#define MYONLY_VERSION_MINOR 1
#define MYONLY_VERSION_PATCH 0
#define MYONLY_VERSION_STRING "0.1.0"

/* Rises when a program built against an older header would misbehave. */
#define MYONLY_ABI_VERSION 0

#if defined(_MSC_VER)
#define MYONLY_API
#else
#define MYONLY_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
#define MYONLY_NOEXCEPT noexcept
extern "C" {
#else
#define MYONLY_NOEXCEPT
#endif

/* --- Status codes ------------------------------------------------------- */

typedef int32_t myonly_status;

#define MYONLY_OK ((myonly_status)0)
#define MYONLY_ERR_NOMEM ((myonly_status)-1)       /* the system is out of it */
#define MYONLY_ERR_QUOTA ((myonly_status)-2)       /* the arena's own limit */
#define MYONLY_ERR_INVALID ((myonly_status)-3)     /* an argument is wrong */
#define MYONLY_ERR_UNSUPPORTED ((myonly_status)-4) /* not in this version */
#define MYONLY_ERR_BUSY ((myonly_status)-5)        /* in use: not done */
#define MYONLY_ERR_STALE ((myonly_status)-6)       /* the arena is destroyed */
#define MYONLY_ERR_CORRUPT ((myonly_status)-7)     /* an invariant is broken */
#define MYONLY_ERR_OS ((myonly_status)-8)          /* reserved: not returned */

/* A short English text for `status`; "unknown status" for any other value.
 * The text is constant and must not be freed. */
MYONLY_API const char* myonly_status_str(myonly_status status) MYONLY_NOEXCEPT;

/* Why this thread's last failed call failed; MYONLY_OK if none has. Successful
 * calls leave it as it was, like errno. */
MYONLY_API myonly_status myonly_last_status(void) MYONLY_NOEXCEPT;

/* --- Version ------------------------------------------------------------ */

/* The library's version: major << 16 | minor << 8 | patch. */
MYONLY_API uint32_t myonly_version(void) MYONLY_NOEXCEPT;

/* The library's version as text, such as "0.1.0". */
MYONLY_API const char* myonly_version_str(void) MYONLY_NOEXCEPT;

/* The library's MYONLY_ABI_VERSION. */
MYONLY_API uint32_t myonly_abi_version(void) MYONLY_NOEXCEPT;

/* 1 if this process's malloc and free are this library's, else 0. */
MYONLY_API int myonly_is_process_allocator(void) MYONLY_NOEXCEPT;

/* --- The process heap --------------------------------------------------- */

/* A block of at least `size` bytes, uninitialised. */
MYONLY_API void* myonly_alloc(size_t size) MYONLY_NOEXCEPT;

/* Frees a block of any arena, however it was allocated; the preset debug wants
 * what new has made to be deleted. NULL does nothing. */
MYONLY_API void myonly_free(void* ptr) MYONLY_NOEXCEPT;

/* A zeroed block of `count` * `size` bytes. */
MYONLY_API void* myonly_calloc(size_t count, size_t size) MYONLY_NOEXCEPT;

/* Resizes `ptr`, in place where the layout allows, else by moving it; the
 * first min(old, new) bytes keep their contents. It stays in its arena, and
 * keeps an alignment above 16 only in place. NULL allocates. Size 0 frees and
 * returns NULL, as glibc does. On failure `ptr` stays as it was. */
MYONLY_API void* myonly_realloc(void* ptr, size_t size) MYONLY_NOEXCEPT;

/* A block of `size` bytes whose address is a multiple of `alignment`, a power
 * of two. */
MYONLY_API void* myonly_aligned_alloc(size_t alignment,
                                      size_t size) MYONLY_NOEXCEPT;

/* As myonly_aligned_alloc, and stores in `*actual` (unless NULL) how many bytes
 * the block really has; all of them may be used. Alignment 0 means 16. */
MYONLY_API void* myonly_alloc_at_least(size_t size, size_t alignment,
                                       size_t* actual) MYONLY_NOEXCEPT;

/* Frees a block whose size and alignment the caller knows: what was asked for
 * or what it was told by myonly_alloc_at_least or myonly_usable_size. Ones that
 * can't be are reported, and abort; alignment 0 means any. */
MYONLY_API void myonly_free_sized(void* ptr, size_t size,
                                  size_t alignment) MYONLY_NOEXCEPT;

/* Resizes `ptr` in place, or leaves it alone. 1 if it now has `size` bytes,
 * else 0. Less may be refused, too, where too much would be left over: half of
 * what it has or less, 32 KiB or less of what is pages, 4 MiB or less of a
 * mapping; and in the preset secure another number of pages than it has, of
 * 64 KiB to 4 MiB or aligned, and any other size of a sampled block. `*actual`
 * (unless NULL) is the usable size afterwards. If on_pressure has reset or
 * destroyed its arena meanwhile (myonly/limits.h), the block is gone: 0,
 * `*actual` is 0, and myonly_last_status() is MYONLY_ERR_STALE. */
MYONLY_API int myonly_try_resize(void* ptr, size_t size,
                                 size_t* actual) MYONLY_NOEXCEPT;

/* How many bytes `ptr` may hold: at least what was asked for, constant until it
 * is resized or freed. 0 for NULL. */
MYONLY_API size_t myonly_usable_size(const void* ptr) MYONLY_NOEXCEPT;

/* Stores up to `count` blocks of `size` bytes in `out`; returns how many. */
MYONLY_API size_t myonly_alloc_batch(size_t size, void** out,
                                     size_t count) MYONLY_NOEXCEPT;

/* Frees `count` blocks; NULLs among them are skipped. */
MYONLY_API void myonly_free_batch(void** ptrs, size_t count) MYONLY_NOEXCEPT;

/* Gives free memory of all arenas back to the system until at most `keep_bytes`
 * of it stay resident. Returns the bytes given back. What other threads keep
 * free in their own shares they give back when they allocate next, a little
 * later. */
MYONLY_API size_t myonly_purge(size_t keep_bytes) MYONLY_NOEXCEPT;

/* This thread is going to wait: what it keeps free is given back or there for
 * other threads and for myonly_arena_purge, as if it had ended. Its next calls
 * need nothing special. Takes some microseconds. */
MYONLY_API void myonly_thread_idle(void) MYONLY_NOEXCEPT;

/* --- Arenas ------------------------------------------------------------- */

/* An independent heap: its blocks share no page with another arena's, and all
 * of them can be dropped at once. */
typedef struct myonly_arena myonly_arena;

/* For myonly_arena_options.flags: limits count the usable bytes of live blocks,
 * exactly, and not pages. */
#define MYONLY_ARENA_EXACT_BYTES ((uint64_t)1)
/* Reading or writing a block after a reset or destroy of the arena faults,
 * until 1 GiB or 4,096 runs of such arenas were dropped after it. For tests:
 * threads have no shares of the arena, and dropping costs two system calls a
 * run. */
#define MYONLY_ARENA_POISON_ON_RESET ((uint64_t)2)

/* A source of pages for an arena: myonly/memory.h. */
typedef struct myonly_page_source myonly_page_source;

typedef struct myonly_arena_options {
  uint32_t struct_size;
  uint32_t version; /* of this struct: 0 */
  const char* name; /* copied, at most 31 bytes; NULL: "arena" */
  uint64_t flags;   /* of MYONLY_ARENA_*; others: MYONLY_ERR_UNSUPPORTED */
  /* Most bytes of pages the arena may hold; 0 = no limit. It is charged in
   * units of 32 KiB, and of a page for blocks above 4 MiB. An allocation that
   * would pass it fails with MYONLY_ERR_QUOTA. myonly/limits.h tells all about
   * it, and about what follows. */
  size_t limit_bytes;
  size_t soft_limit_bytes; /* on_pressure is told above it; 0 = none */
  size_t reserve_bytes;    /* of the limit, below it: for after a refusal */
  myonly_arena* parent;    /* is charged as well; NULL: none */
  const myonly_page_source* pages; /* NULL: the system's, as for malloc */
  void (*on_pressure)(void* ctx, myonly_arena* arena, int32_t event);
  void* ctx; /* of on_pressure */
} myonly_arena_options;

#define MYONLY_ARENA_OPTIONS_INIT                                            \
  {                                                                          \
    (uint32_t)sizeof(myonly_arena_options), 0, NULL, 0, 0, 0, 0, NULL, NULL, \
        NULL, NULL                                                           \
  }

/* Creates an arena. `options` may be NULL for the defaults. On success `*out`
 * is its handle, on failure NULL. At most 1,048,575 arenas exist at a time. */
MYONLY_API myonly_status myonly_arena_create(
    const myonly_arena_options* options, myonly_arena** out) MYONLY_NOEXCEPT;

/* As the functions of the process heap, but the block belongs to `arena`. It
 * can be freed by myonly_free and lives until then, or until the arena is reset
 * or destroyed. A stale or wrong handle gives NULL with EINVAL. */
MYONLY_API void* myonly_arena_alloc(myonly_arena* arena,
                                    size_t size) MYONLY_NOEXCEPT;
MYONLY_API void* myonly_arena_calloc(myonly_arena* arena, size_t count,
                                     size_t size) MYONLY_NOEXCEPT;
/* `ptr` must be NULL or a block of `arena`; another arena's block is answered
 * with NULL and MYONLY_ERR_INVALID, and stays as it was. */
MYONLY_API void* myonly_arena_realloc(myonly_arena* arena, void* ptr,
                                      size_t size) MYONLY_NOEXCEPT;
MYONLY_API void* myonly_arena_aligned_alloc(myonly_arena* arena,
                                            size_t alignment,
                                            size_t size) MYONLY_NOEXCEPT;
MYONLY_API void* myonly_arena_alloc_at_least(myonly_arena* arena, size_t size,
                                             size_t alignment,
                                             size_t* actual) MYONLY_NOEXCEPT;
MYONLY_API size_t myonly_arena_alloc_batch(myonly_arena* arena, size_t size,
                                           void** out,
                                           size_t count) MYONLY_NOEXCEPT;

/* Drops every block of the arena at once; the handle stays valid. The caller
 * must know that no thread uses a block of it any more, nor is in a call for
 * it: a call that comes later is answered as for an empty arena, or a stale
 * handle. MYONLY_ERR_BUSY: another arena has its memory in a block of it. */
MYONLY_API myonly_status myonly_arena_reset(myonly_arena* arena)
    MYONLY_NOEXCEPT;

#define MYONLY_DESTROY_FREE ((uint64_t)0)          /* drops live blocks */
#define MYONLY_DESTROY_REQUIRE_EMPTY ((uint64_t)1) /* BUSY if any is live */

/* Drops every block and the arena itself; the handle becomes stale. The same
 * duty as for reset. `flags` is one of MYONLY_DESTROY_*. MYONLY_ERR_BUSY: as
 * for reset; it has children, or its on_pressure is running, in any thread.
 *
 * Of another thread's use meanwhile this is detected: reset, destroy, purge,
 * walk, transfer, limits, statistics, checks and reports come before it, or are
 * MYONLY_ERR_STALE and neither touch nor tell of an arena that has its place by
 * then. Not detected: a call that allocates, resizes or frees, as it takes no
 * lock, or makes an arena in a block; any call for an arena with memory of its
 * own, if that memory goes. */
MYONLY_API myonly_status myonly_arena_destroy(myonly_arena* arena,
                                              uint64_t flags) MYONLY_NOEXCEPT;

/* Stores in `*out` the arena that `ptr`, any address inside a live block,
 * belongs to; or inside a freed one of up to 64 KiB while its pages stay with
 * the arena. NULL with MYONLY_OK: the process heap. MYONLY_ERR_INVALID: no
 * memory of an arena, as that of larger freed blocks and of freed ones of no
 * bytes. Safe for every address, and async-signal-safe: see myonly/inspect.h.
 */
MYONLY_API myonly_status myonly_arena_of(const void* ptr,
                                         myonly_arena** out) MYONLY_NOEXCEPT;

typedef struct myonly_arena_stats_t {
  uint32_t struct_size;
  uint32_t version;          /* of this struct: 0 */
  char name[32];             /* ends in a 0 byte */
  uint64_t live_blocks;      /* allocated and not freed */
  uint64_t live_bytes;       /* usable bytes of those */
  uint64_t peak_live_bytes;  /* most live_bytes seen when pages were taken */
  uint64_t allocations;      /* since the arena was made; resets keep it */
  uint64_t frees;            /* the same; blocks dropped by reset included */
  uint64_t reserved_bytes;   /* pages held: regions, large runs, huge maps */
  uint64_t region_bytes;     /* of those, regions that are cut into blocks */
  uint64_t large_bytes;      /* of those, runs of slices, one per block */
  uint64_t huge_bytes;       /* of those, mappings, one per block */
  uint64_t free_block_bytes; /* bytes of free blocks in regions */
  uint64_t limit_bytes;      /* 0 = no limit */
  uint64_t resets;
  uint64_t charged_bytes;    /* what counts against the limit */
  uint64_t soft_limit_bytes; /* 0 = none, or no on_pressure */
  uint64_t children;         /* arenas whose parent this is */
  uint64_t refusals;         /* requests to it that its own limit or a
                              * parent's refused; not those to its children */
} myonly_arena_stats_t;

#define MYONLY_ARENA_STATS_INIT                                                \
  {                                                                            \
    (uint32_t)sizeof(myonly_arena_stats_t), 0, {0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        0, 0, 0, 0, 0, 0, 0                                                    \
  }

/* A consistent snapshot of the arena's counters; NULL: the process heap's. The
 * presets secure and debug count canaries, and as live what is in quarantine.
 */
MYONLY_API myonly_status myonly_arena_stats(
    myonly_arena* arena, myonly_arena_stats_t* out) MYONLY_NOEXCEPT;

/* Checks every invariant of the arena (NULL: of the process heap and what all
 * arenas share). Time grows with its blocks; it holds the arena's lock.
 * MYONLY_ERR_CORRUPT if one is broken, and one line on stderr says which and
 * where. Of other threads' shares only those of threads that have ended are
 * looked into. */
MYONLY_API myonly_status myonly_arena_check(myonly_arena* arena)
    MYONLY_NOEXCEPT;

#ifdef __cplusplus
} /* extern "C" */
#endif

#include "myonly/inspect.h"
#include "myonly/limits.h"
#include "myonly/memory.h"
#include "myonly/report.h"

#endif /* MYONLY_MYONLY_H_ */
