/* Queues: reserved bytes are part of a sound tree, but not of the queue. */
#include "support.h"

#include "buffer/share.h"
#include "queue/queue.h"

static void
check_queue(const pb_queue *q)
{
    pb_fault fault = {0};
    if (!pb_queue_check(q, &fault) || !pb_buf_check(&q->b, &fault)) {
        fail_at(__FILE__, __LINE__, "the queue is damaged: %s", fault.why);
    }
}

/* A reservation once made a tiny queue forget its tail, which its check reported. */
static void
test_a_reservation_of_a_few_bytes_is_whole(void)
{
    for (uint64_t n = 1; n <= 3 * PB_PAGE_SIZE; n += n < 130 ? 1 : PB_PAGE_SIZE / 3) {
        NOTE("%" PRIu64 " bytes", n);
        memory mem;
        pb_queue q = {0};
        pb_status st;
        memory_init(&mem, PB_UNLIMITED, false);
        pb_queue_init(&q, &mem.pool, UINT64_MAX, PB_GROW);
        GROWING(&mem, st, pb_queue_put(&q, "ab", 2));
        CHECK_OK(st);
        GROWING(&mem, st, pb_queue_reserve(&q, n, true));
        CHECK_OK(st);
        check_queue(&q);
        CHECK_EQ(pb_queue_len(&q), 2);
        GROWING(&mem, st, pb_queue_put(&q, "c", 1)); /* gives it up */
        CHECK_OK(st);
        check_queue(&q);
        CHECK_EQ(q.b.root.size, 3);
        uint8_t bytes[3];
        CHECK_OK(pb_queue_copy_out(&q, bytes, 3));
        CHECK_BYTES(bytes, "abc", 3);
        pb_buf_fini(&q.b);
        CHECK_EMPTY(&mem.pool);
        memory_fini(&mem);
    }
}

/* ---- bytes by way of others ---- */

/* On small pages a tree of three levels whose ends share no node: a drop copies two. */
#define LONG (70 * PB_PAGE_SIZE + 5)
#define PART (3 * PB_PAGE_SIZE + 1)

/* What is put, by its stream position. */
static uint8_t stream[2 * LONG];

/* A queue of LONG bytes, as many as it may hold, in a tree that somebody else shares. */
typedef struct {
    memory mem;
    pb_queue q;
    pb_buf other;
} shared_queue;

static void
begin_shared(shared_queue *s)
{
    pb_status st;
    memset(&s->q, 0, sizeof s->q);
    memory_init(&s->mem, PB_UNLIMITED, false);
    pb_queue_init(&s->q, &s->mem.pool, LONG, PB_DROP_OLDEST);
    GROWING(&s->mem, st, pb_queue_put(&s->q, stream, LONG));
    CHECK_OK(st);
    pb_buf_init(&s->other, &s->mem.pool, PB_MAX_LEVELS);
    CHECK_OK(pb_buf_share(&s->other, &s->q.b));
}

static void
check_shared(const shared_queue *s)
{
    static uint8_t got[2 * LONG];
    uint64_t len = pb_queue_len(&s->q);
    check_queue(&s->q);
    CHECK_POOL(&s->mem.pool);
    CHECK_EQ(s->mem.pool.reserved, 0);
    CHECK_OK(pb_queue_copy_out(&s->q, got, len));
    CHECK_BYTES(got, stream + pb_queue_front(&s->q), len);
    CHECK_OK(pb_buf_copy_out(&s->other, 0, got, LONG));
    CHECK_BYTES(got, stream, LONG);
}

static void
end_shared(shared_queue *s)
{
    s->mem.pool.limit = PB_UNLIMITED;
    pb_buf_fini(&s->q.b);
    pb_buf_fini(&s->other);
    CHECK_EMPTY(&s->mem.pool);
    memory_fini(&s->mem);
}

/* Leave the pool n free frames. */
static void
leave_frames(shared_queue *s, uint64_t n)
{
    s->mem.pool.limit = s->mem.pool.held + n;
}

/* Begin a queue on a pool with `spare` free frames. */
static void
begin_short(shared_queue *s, uint64_t spare)
{
    NOTE("%" PRIu64 " frames", spare);
    begin_shared(s);
    leave_frames(s, spare);
}

/* I3: with each number of frames, begin refuses and changes nothing, or end succeeds
 * with none left. */
static void
test_what_came_is_let_in_whatever_the_pool_has_left(void)
{
    pb_status st = PB_LIMIT;
    for (uint64_t spare = 0; st != PB_OK; spare++) {
        shared_queue s;
        uint64_t secured;
        begin_short(&s, spare);
        GROWING(&s.mem, st, pb_queue_begin_in(&s.q, PART, &secured));
        if (st == PB_OK) {
            CHECK(secured > 0);
            leave_frames(&s, secured);
            pb_queue_fill(&s.q, stream + LONG, PART);
            pb_queue_end_in(&s.q, PART, secured);
            CHECK_EQ(s.q.pushed, PART);
        }
        else {
            CHECK_STATUS(st, PB_LIMIT);
        }
        CHECK_EQ(pb_queue_len(&s.q), LONG);
        check_shared(&s);
        end_shared(&s);
    }
}

/* The frames for dropping are there, and then the pool has none for the bytes: the put once said that all
 * was well, and the bytes were gone. */
static void
test_a_put_is_whole_or_refused_whatever_the_pool_has_left(void)
{
    pb_status st = PB_LIMIT;
    for (uint64_t spare = 0; st != PB_OK; spare++) {
        shared_queue s;
        begin_short(&s, spare);
        GROWING(&s.mem, st, pb_queue_put(&s.q, stream + LONG, PART));
        CHECK(st == PB_OK || st == PB_LIMIT);
        CHECK_EQ(s.q.pushed, st == PB_OK ? PART : 0);
        CHECK_EQ(pb_queue_len(&s.q), LONG);
        check_shared(&s);
        end_shared(&s);
    }
}

static void
test_what_went_has_left_whatever_the_pool_has_left(void)
{
    pb_status st = PB_LIMIT;
    for (uint64_t spare = 0; st != PB_OK; spare++) {
        shared_queue s;
        uint64_t secured;
        begin_short(&s, spare);
        GROWING(&s.mem, st, pb_queue_begin_out(&s.q, &secured));
        if (st == PB_OK) {
            CHECK(secured > 0);
            leave_frames(&s, secured);
            pb_queue_end_out(&s.q, PART, secured);
        }
        else {
            CHECK_STATUS(st, PB_LIMIT);
        }
        CHECK_EQ(s.q.out, st == PB_OK ? PART : 0);
        check_shared(&s);
        end_shared(&s);
    }
}

/* Another thread may lower the limit during the system call.  The reserved frames were once given back
 * before the drop asked for them anew.  The limit refused that, and bytes that had been sent stayed in the
 * queue. */
static void
test_a_limit_lowered_meanwhile_keeps_nothing_that_went(void)
{
    shared_queue s;
    uint64_t secured;
    pb_status st;
    begin_shared(&s);
    GROWING(&s.mem, st, pb_queue_begin_out(&s.q, &secured));
    CHECK_OK(st);
    leave_frames(&s, 0);
    pb_queue_end_out(&s.q, PART, secured);
    CHECK_EQ(s.q.out, PART);
    check_shared(&s);
    end_shared(&s);
}

/* The same for bytes that came: the bound of the queue was exceeded for good. */
static void
test_a_limit_lowered_meanwhile_keeps_the_bound(void)
{
    shared_queue s;
    uint64_t secured;
    pb_status st;
    begin_shared(&s);
    GROWING(&s.mem, st, pb_queue_begin_in(&s.q, PART, &secured));
    CHECK_OK(st);
    leave_frames(&s, 0);
    pb_queue_fill(&s.q, stream + LONG, PART);
    pb_queue_end_in(&s.q, PART, secured);
    CHECK_EQ(s.q.pushed, PART);
    CHECK_EQ(pb_queue_len(&s.q), LONG);
    check_shared(&s);
    end_shared(&s);
}

static void
test_pieces_are_the_bytes(void)
{
    shared_queue s;
    struct iovec iov[80];
    begin_shared(&s);
    for (uint64_t n = 1; n <= LONG; n += PB_PAGE_SIZE / 3) {
        uint64_t done = 0;
        unsigned count;
        CHECK_OK(pb_queue_pieces(&s.q, n, iov, 80, &count));
        for (unsigned i = 0; i < count; done += iov[i++].iov_len) {
            CHECK_BYTES(iov[i].iov_base, stream + done, iov[i].iov_len);
        }
        CHECK_EQ(done, n);
    }
    end_shared(&s);
}

static void
test_space_is_what_is_reserved(void)
{
    shared_queue s;
    struct iovec iov[80];
    pb_status st;
    begin_shared(&s);
    unsigned count;
    CHECK_OK(pb_queue_space(&s.q, iov, 80, &count));
    CHECK_EQ(count, 0);
    GROWING(&s.mem, st, pb_queue_reserve(&s.q, PART, true));
    CHECK_OK(st);
    uint64_t done = 0;
    CHECK_OK(pb_queue_space(&s.q, iov, 80, &count));
    for (unsigned i = 0; i < count; done += iov[i++].iov_len) {
        memcpy(iov[i].iov_base, stream + LONG + done, iov[i].iov_len);
    }
    CHECK_EQ(done, PART);
    CHECK_EQ(pb_queue_len(&s.q), LONG);
    CHECK_OK(pb_queue_commit(&s.q, PART));
    check_shared(&s);
    end_shared(&s);
}

int
main(void)
{
    chance c = chance_of(1);
    fill(&c, stream, sizeof stream);
    RUN(test_what_came_is_let_in_whatever_the_pool_has_left);
    RUN(test_a_put_is_whole_or_refused_whatever_the_pool_has_left);
    RUN(test_what_went_has_left_whatever_the_pool_has_left);
    RUN(test_a_limit_lowered_meanwhile_keeps_nothing_that_went);
    RUN(test_a_limit_lowered_meanwhile_keeps_the_bound);
    RUN(test_pieces_are_the_bytes);
    RUN(test_space_is_what_is_reserved);
    RUN(test_a_reservation_of_a_few_bytes_is_whole);
    return finish();
}
