/* MyAndOnlyMalloc: for the tests of programs. Requests that must not be made,
 * and requests that fail on purpose. myonly.h says how calls answer.
 *
 * Copyright 2026 The MyAndOnlyMalloc Authors. Licensed under Apache-2.0.
 *
 * What is forbidden or fails is asking for memory: malloc and its family and
 * operator new where they are this library's, myonly_* and myonly_arena_*.
 * Growing a block by realloc or in place beyond what it has counts as asking,
 * freeing and shrinking never do.
 * A program that uses none of this pays nothing for it.
 */
#ifndef MYONLY_TESTING_H_
#define MYONLY_TESTING_H_

#include "myonly/myonly.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MYONLY_NO_ALLOC_REFUSE 0 /* requests get NULL, ENOMEM */
#define MYONLY_NO_ALLOC_ABORT 1  /* one line on stderr, then abort */

/* Begins a section in which the calling thread must not allocate. Sections nest
 * up to 64 deep; the innermost one says what happens. Other threads are not
 * affected; a child of fork goes on in the section. A thread that ends inside
 * one leaves it. MYONLY_ERR_INVALID: another action; MYONLY_ERR_UNSUPPORTED: 64
 * are open; MYONLY_ERR_NOMEM: there is no memory to remember it. */
MYONLY_API myonly_status myonly_no_alloc_begin(int32_t action) MYONLY_NOEXCEPT;

/* Ends the innermost section. MYONLY_ERR_INVALID: there is none. */
MYONLY_API myonly_status myonly_no_alloc_end(void) MYONLY_NOEXCEPT;

/* Which requests fail. A request counts if it is for more than `above_bytes`
 * (0: any). The one with the number `fail_nth`, from 1 on, fails (0: none by
 * number), and each one with `probability`, 0 to 1, which depends on `seed` and
 * its number alone. After `count` failures no more follow (0: no bound). A
 * failed request gets NULL with ENOMEM and MYONLY_ERR_NOMEM. */
typedef struct myonly_fault_options {
  uint32_t struct_size;
  uint32_t version; /* of this struct: 0 */
  uint64_t seed;
  uint64_t fail_nth;
  double probability;
  size_t above_bytes;
  uint64_t count;
} myonly_fault_options;

#define MYONLY_FAULT_OPTIONS_INIT \
  { (uint32_t)sizeof(myonly_fault_options), 0, 0, 0, 0.0, 0, 0 }

/* From now on requests fail: those to `arena`, of all threads, or with NULL
 * those of the calling thread, whatever arena they are to. With several threads
 * in an arena which of them gets which number is up to them; begin and end
 * while no other thread allocates in it. Growing a block of an arena in place
 * counts only if it is larger than 64 KiB. Resetting the arena changes nothing,
 * destroying it ends this: in another thread meanwhile, MYONLY_ERR_STALE.
 * MYONLY_ERR_BUSY: it was begun already. */
MYONLY_API myonly_status myonly_fault_begin(
    myonly_arena* arena, const myonly_fault_options* options) MYONLY_NOEXCEPT;

/* Ends that; `*failures` (unless NULL) is how many requests failed.
 * MYONLY_ERR_INVALID: it was not begun. */
MYONLY_API myonly_status myonly_fault_end(myonly_arena* arena,
                                          uint64_t* failures) MYONLY_NOEXCEPT;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* MYONLY_TESTING_H_ */
