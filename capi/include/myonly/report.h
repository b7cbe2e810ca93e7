/* MyAndOnlyMalloc: what heaps tell about themselves, as text. A part of
 * myonly/myonly.h, which includes it; its conventions hold here.
 *
 * Text comes in pieces of up to 1,024 bytes, not ended by a 0 byte, by calls of
 * write(ctx, text, length). Nothing is locked meanwhile, and `write` may make
 * any call of this library; it must not throw. No call here allocates. All of
 * them may be made while other threads use the arenas: figures are then of some
 * moment of the call.
 *
 * In calls for an arena NULL means the process heap: what malloc and
 * myonly_alloc hand out, in all threads. What the arena is told to be charged
 * is explained in myonly/limits.h.
 */
#ifndef MYONLY_REPORT_H_
#define MYONLY_REPORT_H_

#ifndef MYONLY_MYONLY_H_
#include <myonly/myonly.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*myonly_write_fn)(void* ctx, const char* text, size_t length);

/* --- Explain ------------------------------------------------------------ */

/* Where every byte is that the arena is charged:
 *
 *   live            usable bytes of live blocks: what was asked for, and what
 *                   the block has beside, which is not recorded: less than 48
 *                   bytes up to 1 KiB, a tenth up to 64 KiB, a page up to
 *                   4 MiB, beyond that up to a quarter; more where realloc
 *                   left a block as large as it was
 *   rounding        ends of slabs and of large runs that no block has
 *   headers         8 bytes for each live block in a region
 *   metadata        both ends of regions
 *   thread_lists    free: kept by a thread for its next requests, or freed by
 *                   it and not posted yet
 *   remote_queues   freed by another thread than the owner, on the way to it
 *   free_objects    free objects in slabs
 *   bins            free blocks, but for the whole pages in them
 *   dirty, clean    whole pages in free blocks: not purged, purged
 *   uncut           not cut into objects or blocks since it was taken
 *   unaccounted     moved while this looked at it, or behind a header that was
 *                   overwritten
 *   children        what the arenas below it are charged
 *
 * These sum up to the charge exactly. While other threads use the arena the
 * charge is that of some moment; what moved is unaccounted, or counted where it
 * was. For an arena with MYONLY_ARENA_EXACT_BYTES only live and children are
 * charged; the parts without the children sum up to the pages it holds.
 *
 * After that: what it is held as; descriptors and records, which are charged to
 * nobody; for an arena with memory of its own the sum of that; the ten live
 * blocks that pin the most memory beside their own (pages that would be free
 * but for this block); and the ten slabs and regions with the most that is not
 * live.
 *
 * Time grows with the slices (32 KiB) of the process and the blocks of the
 * arena. MYONLY_ERR_STALE: the arena was destroyed meanwhile, which must not
 * happen to one with memory of its own: it would be looked at. In the preset
 * "fast", whose free objects bear no mark, objects in lists of threads and in
 * queues count as live, and no objects of slabs are among the blocks that pin.
 */
MYONLY_API myonly_status myonly_arena_explain(myonly_arena* arena,
                                              myonly_write_fn write,
                                              void* ctx) MYONLY_NOEXCEPT;

/* The same as one JSON object: docs/design/reports.md lists its members. */
MYONLY_API myonly_status myonly_arena_explain_json(myonly_arena* arena,
                                                   myonly_write_fn write,
                                                   void* ctx) MYONLY_NOEXCEPT;

/* --- Statistics --------------------------------------------------------- */

#define MYONLY_FORMAT_TEXT 0
#define MYONLY_FORMAT_JSON 1
/* The text that Prometheus scrapes, with HELP and TYPE lines:
 * myonly_arena_live_bytes{arena="name",id="0x1000010"} 4096 and so on. The id
 * is the handle, as "%p" prints it; arenas may have the same name. */
#define MYONLY_FORMAT_PROMETHEUS 2

/* The statistics of one arena: those of myonly_arena_stats_t, and huge_blocks,
 * the number of its mappings with one block each. */
MYONLY_API myonly_status myonly_arena_stats_write(myonly_arena* arena,
                                                  int32_t format,
                                                  myonly_write_fn write,
                                                  void* ctx) MYONLY_NOEXCEPT;

/* Of the process, the process heap and every arena. In the Prometheus format
 * each arena is asked for each figure: figures of an arena in use may be of
 * different moments. An arena that is created or destroyed meanwhile may be
 * there or not. */
MYONLY_API myonly_status myonly_stats_write(int32_t format,
                                            myonly_write_fn write,
                                            void* ctx) MYONLY_NOEXCEPT;

/* --- All arenas --------------------------------------------------------- */

/* Something else than 0 ends it. May make any call, also destroy the arena. */
typedef int (*myonly_arena_fn)(void* ctx, myonly_arena* arena);

/* Calls visit(ctx, arena) for every arena but the process heap. One that exists
 * throughout is visited exactly once; others may be visited or not, and be
 * destroyed by another thread while they are. Nothing is locked meanwhile. */
MYONLY_API myonly_status myonly_arena_for_each(myonly_arena_fn visit,
                                               void* ctx) MYONLY_NOEXCEPT;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* MYONLY_REPORT_H_ */
