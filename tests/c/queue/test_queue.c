/* Queues: what is reserved is part of a whole tree, and no part of the queue. */
#include "support.h"

#include "queue/queue.h"

static void
check_queue(const pb_buf *b, const pb_queue *q)
{
    pb_fault fault = {0};
    if (!pb_queue_check(b, q, &fault) || !pb_buf_check(b, &fault)) {
        fail_at(__FILE__, __LINE__, "the queue is damaged: %s", fault.why);
    }
}

/* A queue that is tiny forgot its tail when bytes were reserved, and its check said so. */
static void
test_a_reservation_of_a_few_bytes_is_whole(void)
{
    for (uint64_t n = 1; n <= 3 * PB_PAGE_SIZE; n += n < 130 ? 1 : PB_PAGE_SIZE / 3) {
        NOTE("%" PRIu64 " bytes", n);
        memory mem;
        pb_buf b;
        pb_queue q = {0};
        pb_status st;
        memory_init(&mem, PB_UNLIMITED, false);
        pb_buf_init(&b, &mem.pool, PB_MAX_LEVELS);
        pb_queue_init(&q, UINT64_MAX, PB_GROW);
        GROWING(&mem, st, pb_queue_put(&b, &q, "ab", 2, 0));
        CHECK_OK(st);
        GROWING(&mem, st, pb_queue_reserve(&b, &q, n, true));
        CHECK_OK(st);
        check_queue(&b, &q);
        CHECK_EQ(pb_queue_len(&b, &q), 2);
        GROWING(&mem, st, pb_queue_put(&b, &q, "c", 1, 0)); /* gives it up */
        CHECK_OK(st);
        check_queue(&b, &q);
        CHECK_EQ(b.root.size, 3);
        uint8_t bytes[3];
        pb_buf_copy_out(&b, 0, bytes, 3);
        CHECK_BYTES(bytes, "abc", 3);
        pb_buf_fini(&b);
        CHECK_EMPTY(&mem.pool);
        memory_fini(&mem);
    }
}

int
main(void)
{
    RUN(test_a_reservation_of_a_few_bytes_is_whole);
    return finish();
}
