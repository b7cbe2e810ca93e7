/* MyAndOnlyMalloc: limits of arenas. A part of myonly.h, which includes it.
 *
 * What an arena is charged never passes its limit, whatever threads do: a
 * request that would pass it, or the limit of a parent at any level, fails with
 * MYONLY_ERR_QUOTA and errno = ENOMEM, after the arena has given back what it
 * keeps free for later, what the calling thread keeps of it and threads that
 * have ended or wait (myonly_thread_idle). What other threads keep free stays
 * charged until they allocate next, in whatever arena: they are asked for it.
 * Nothing is charged for a refused request, at no level, and no other arena is
 * touched.
 *
 * Charged are pages: runs of 32 KiB that hold blocks, lists of threads and what
 * is kept free included; beyond 4 MiB single pages. An arena with
 * MYONLY_ARENA_EXACT_BYTES is charged the usable bytes of its live blocks and
 * nothing else: slower, as threads then have no shares of it; its blocks grow
 * by moving.
 *
 * Parents. What an arena holds is charged to its parent too, and to the
 * parent's: at most 16 levels (more: MYONLY_ERR_UNSUPPORTED). Resetting or
 * destroying an arena returns its charge at all levels at once. Destroying a
 * parent of living arenas is MYONLY_ERR_BUSY; resetting one drops its own
 * blocks and no child's. A child counts as its parent does: exact bytes below a
 * parent that counts pages are MYONLY_ERR_UNSUPPORTED.
 *
 * Pressure. on_pressure(ctx, arena, event) is called by the thread whose call
 * crossed the line, when that call has done its work and holds no lock; for a
 * parent it may be a call on one of its children. It may call everything, on
 * any arena, and is never called again for its own arena before it returns:
 * what happens meanwhile is told afterwards, up to 8 events in a row; what is
 * beyond them is told when a line is crossed again. MYONLY_PRESSURE_SOFT and
 * MYONLY_PRESSURE_RELIEVED come in turn. MYONLY_PRESSURE_LIMIT comes when a
 * request was refused, and again only after the charge has been below the limit
 * (less the reserve). Meanwhile destroying its own arena is MYONLY_ERR_BUSY, in
 * any thread. If it resets the arena that the call works on, an allocation,
 * refused or not, is made again, once; if it destroys that, the call gives NULL
 * and MYONLY_ERR_STALE, as does realloc in both cases; myonly_try_resize gives
 * 0 and that status then. myonly_free_batch tells when it has freed all. The
 * callback must not reset or destroy the arena of a running
 * myonly_arena_alloc_batch, and must not throw.
 *
 * Reserve. Until a request would pass limit - reserve, that is the limit. Then
 * that request is refused, and the reserve is released: what unwinds the failed
 * work can allocate, up to the limit. It is taken back when the charge has
 * fallen below limit - reserve again. A limit that was set to no more than the
 * reserve is all reserve: a first request is refused, and it is taken back when
 * nothing is charged any more.
 */
#ifndef MYONLY_LIMITS_H_
#define MYONLY_LIMITS_H_

#ifndef MYONLY_MYONLY_H_
#include <myonly/myonly.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define MYONLY_PRESSURE_SOFT 1     /* the charge rose above the soft limit */
#define MYONLY_PRESSURE_RELIEVED 2 /* it fell below 7/8 of that again */
#define MYONLY_PRESSURE_LIMIT 3    /* a request was refused by the limit */

/* Changes the limit; 0 = none. Also below the charge: then every request that
 * needs more is refused until the charge has fallen. Once this has returned no
 * charge passes the new limit. The reserve stays as it is; what is not more
 * than that is granted as well, though myonly_arena_create wants more. */
MYONLY_API myonly_status
myonly_arena_set_limit(myonly_arena* arena, size_t limit_bytes) MYONLY_NOEXCEPT;

/* Changes the soft limit; 0 = none. on_pressure is called, in this call, if
 * that brings the charge above it or relieves it. Without on_pressure it has
 * no effect, and statistics show 0. */
MYONLY_API myonly_status myonly_arena_set_soft_limit(
    myonly_arena* arena, size_t soft_limit_bytes) MYONLY_NOEXCEPT;

/* Stores in `*charged_bytes` what the arena and its children are charged.
 * Async-signal-safe. */
MYONLY_API myonly_status myonly_arena_charged(
    myonly_arena* arena, size_t* charged_bytes) MYONLY_NOEXCEPT;

/* Gives the arena's free memory back to the system until about `keep_bytes` of
 * it are left: what its threads have in common, what this thread keeps of it
 * and threads that have ended or called myonly_thread_idle. Other threads give
 * back what they keep when they allocate next, a little later. Free pages that
 * all arenas share go as well, as by myonly_purge. */
MYONLY_API myonly_status myonly_arena_purge(myonly_arena* arena,
                                            size_t keep_bytes) MYONLY_NOEXCEPT;

/* Moves a live block, where it is, and its charge to another arena of the same
 * tree. The caller must own the block. Blocks above 64 KiB only, and others
 * that have pages of their own because of their alignment:
 * MYONLY_ERR_UNSUPPORTED for those that share pages with others, and for an
 * arena of another tree. MYONLY_ERR_QUOTA if a limit is in the way.
 * MYONLY_ERR_INVALID if `ptr` is no block's. */
MYONLY_API myonly_status myonly_arena_transfer(void* ptr, myonly_arena* to)
    MYONLY_NOEXCEPT;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* MYONLY_LIMITS_H_ */
