/* inspect/check.h: validators (I10).  They name the first broken rule. */
#ifndef PB_INSPECT_CHECK_H
#define PB_INSPECT_CHECK_H

#include "buffer/buf.h"

/* Is the buffer whole?  false: *fault says what is not. */
bool
pb_buf_check(const pb_buf *b, pb_fault *fault);

/* Words of scratch that pb_pool_check needs: one for each frame number, three for each
 * account. */
size_t
pb_pool_check_words(const pb_pool *pool);

/* Recount every frame from all trees (I1), and the bytes that pools are lent.  `scratch` is zeroed. */
bool
pb_pool_check(const pb_pool *pool, uint32_t *scratch, pb_fault *fault);

#endif
