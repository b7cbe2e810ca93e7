/* MyAndOnlyMalloc: looking at heaps. Walk, check, and what a crash handler may
 * ask. A part of myonly/myonly.h, which includes it; its conventions hold here.
 *
 * In every call here an arena of NULL means the process heap: what malloc and
 * myonly_alloc hand out, in all threads. No call here allocates.
 */
#ifndef MYONLY_INSPECT_H_
#define MYONLY_INSPECT_H_

#include <myonly/myonly.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Walk --------------------------------------------------------------- */

#define MYONLY_BLOCK_LIVE 1 /* allocated and not freed */
#define MYONLY_BLOCK_FREE 2 /* freed, or not allocated yet */

typedef struct myonly_block_info {
  uint32_t struct_size;
  int32_t state;       /* MYONLY_BLOCK_* */
  void* start;         /* what the allocation returned */
  size_t size;         /* usable bytes, as myonly_usable_size tells */
  myonly_arena* arena; /* NULL: the process heap */
  /* Which thread's share of the arena the block is in: threads are numbered
   * from 1, in the order in which they took a share, and a new thread has the
   * number of one that ended. 0: the part that all threads share. */
  uint64_t thread;
} myonly_block_info;

#define MYONLY_BLOCK_INFO_INIT \
  { (uint32_t)sizeof(myonly_block_info), 0, NULL, 0, NULL, 0 }

/* Something else than 0 ends the walk. It may make any call, also free the
 * block or allocate in the arena. */
typedef int (*myonly_block_fn)(void* ctx, const myonly_block_info* block);

typedef struct myonly_walk_options {
  uint32_t struct_size;
  uint32_t version;   /* of this struct: 0 */
  uint64_t flags;     /* none in this version: 0 */
  size_t least_bytes; /* blocks of fewer usable bytes are left out */
} myonly_walk_options;

#define MYONLY_WALK_OPTIONS_INIT \
  { (uint32_t)sizeof(myonly_walk_options), 0, 0, 0 }

/* Calls visit(ctx, block) for every live block of the arena, while other
 * threads allocate and free as they like. A block that is live from before the
 * call until after it is visited exactly once, and no address is visited twice;
 * blocks that come or go meanwhile may be visited or not, and the walk has an
 * end also where each visit allocates. Blocks that were freed and wait
 * somewhere to be used again are not visited; but up to 128 blocks are read
 * ahead, and of these visit() is still told after it has freed them, or reset
 * or destroyed the arena, itself. `options` may be NULL.
 *
 * Time grows with the slices (32 KiB) of the process and the blocks of the
 * arena. MYONLY_ERR_STALE: the arena was destroyed meanwhile.
 * MYONLY_ERR_CORRUPT: a block's header was overwritten, and blocks behind it
 * were left out. MYONLY_ERR_UNSUPPORTED: in the preset "fast", where free
 * objects bear no mark. */
MYONLY_API myonly_status myonly_arena_walk(myonly_arena* arena,
                                           const myonly_walk_options* options,
                                           myonly_block_fn visit,
                                           void* ctx) MYONLY_NOEXCEPT;

/* --- Check -------------------------------------------------------------- */

/* As myonly_arena_check, which prints what this one stores: on
 * MYONLY_ERR_CORRUPT `*what` (unless NULL) is a constant text that names the
 * first broken invariant, `*where` (unless NULL) an address at it; else both
 * are NULL. */
MYONLY_API myonly_status myonly_arena_check_at(
    myonly_arena* arena, const char** what, const void** where) MYONLY_NOEXCEPT;

/* --- For signal handlers ------------------------------------------------ */

/* These two and myonly_arena_of are async-signal-safe: they take no lock, make
 * no system call but to let others run, and give the right answer also when the
 * signal came in the midst of a call of this library; only of a block that such
 * a call is about may they tell what was before or what is after. They leave
 * errno and myonly_last_status alone.
 */

/* The block that has the address `ptr`, at its start or inside, live or free.
 * MYONLY_ERR_INVALID: no block has it (memory that is not this library's, a
 * header, pages that wait to be cut). Safe for every address.
 * In the preset "fast" free objects of slabs are told to be live. */
MYONLY_API myonly_status
myonly_block_of(const void* ptr, myonly_block_info* out) MYONLY_NOEXCEPT;

/* As myonly_arena_stats, perhaps a little old: objects that a thread has in its
 * lists count as live, and so does what was freed elsewhere and is not taken in
 * yet. Interrupted in the midst of a call, it may be off by what that call is
 * about. */
MYONLY_API myonly_status myonly_arena_peek(
    myonly_arena* arena, myonly_arena_stats_t* out) MYONLY_NOEXCEPT;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* MYONLY_INSPECT_H_ */
