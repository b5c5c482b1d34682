/* Objects that a queue keeps: the ring of records, and a queue of both against a plain stream. */
#include "support.h"

#include "queue/queue.h"

#define MOST (1 << 16)

static uint8_t stream[MOST], got[MOST];
static int owners[MOST];

/* A queue, and the part of the stream that is in it. */
typedef struct {
    memory mem;
    pb_queue q;
    uint64_t out, in;
    pb_queue_record *records;
    unsigned kept, released;
    unsigned moves; /* of the ring */
} both;

static void
begin(both *s, uint64_t limit)
{
    memset(s, 0, sizeof *s);
    memory_init(&s->mem, limit, false);
    pb_queue_init(&s->q, &s->mem.pool, UINT64_MAX, PB_GROW);
}

static void
release(both *s)
{
    while (pb_queue_has_released(&s->q)) {
        CHECK(pb_queue_next_released(&s->q) != NULL);
        s->released++;
    }
}

static void
end(both *s)
{
    pb_queue_let_go(&s->q);
    release(s);
    CHECK_EQ(s->released, s->kept);
    pb_buf_fini(&s->q.b);
    CHECK_EQ(s->mem.pool.lent, 0);
    CHECK_EMPTY(&s->mem.pool);
    free(s->records);
    memory_fini(&s->mem);
}

static void
check_stream(const both *s)
{
    pb_fault fault = {0};
    if (!pb_queue_check(&s->q, &fault) || !pb_buf_check(&s->q.b, &fault)) {
        fail_at(__FILE__, __LINE__, "the queue is damaged: %s", fault.why);
    }
    uint64_t len = pb_queue_len(&s->q);
    CHECK_EQ(len, s->in - s->out);
    CHECK_OK(pb_queue_copy_out(&s->q, got, len));
    CHECK_BYTES(got, stream + s->out, len);
    CHECK_EQ(s->mem.pool.lent, pb_queue_kept(&s->q));
}

static void
set_records(both *s, uint32_t room)
{
    s->records = calloc(room, sizeof *s->records);
    free(pb_queue_set_records(&s->q, s->records, room));
    s->moves++;
}

static void
make_records(both *s)
{
    if (!pb_queue_has_records(&s->q, 1)) {
        set_records(s, pb_queue_records_wanted(&s->q, 1));
    }
}

static void
keep(both *s, uint64_t n)
{
    pb_status st;
    make_records(s);
    pb_lender of = {&owners[s->kept], stream + s->in, n, true};
    GROWING(&s->mem, st, pb_queue_keep(&s->q, &of));
    CHECK_OK(st);
    s->kept++;
    s->in += n;
}

static void
put(both *s, uint64_t n)
{
    pb_status st;
    GROWING(&s->mem, st, pb_queue_put(&s->q, stream + s->in, n));
    CHECK_OK(st);
    s->in += n;
}

static void
drop(both *s, uint64_t n)
{
    CHECK_OK(pb_queue_drop(&s->q, n));
    s->out += n;
    release(s);
}

static void
test_records_follow_the_stream(void)
{
    both s;
    begin(&s, PB_UNLIMITED);
    for (unsigned round = 0; round < 40; round++) {
        keep(&s, 1 + round % 7);
        check_stream(&s);
        put(&s, 1 + round % 130);
        keep(&s, 20);
        keep(&s, 3);
        check_stream(&s);
        while (pb_queue_len(&s.q) > 60) {
            drop(&s, 1 + (round * 13) % 40);
            check_stream(&s);
        }
    }
    end(&s);
}

static void
test_a_needle_is_found_over_every_border(void)
{
    both s;
    begin(&s, PB_UNLIMITED);
    for (unsigned i = 0; i < 6; i++) {
        put(&s, 5 + i);
        keep(&s, 4 + i);
    }
    uint64_t len = pb_queue_len(&s.q);
    for (uint64_t n = 1; n < 40; n++) {
        for (uint64_t at = 0; at + n <= len; at++) {
            uint64_t found;
            CHECK_OK(pb_queue_find(&s.q, at, len, stream + at, n, &found));
            CHECK_EQ(found, at);
        }
    }
    end(&s);
}

static void
test_an_object_comes_out_again(void)
{
    both s;
    begin(&s, PB_UNLIMITED);
    keep(&s, 30);
    keep(&s, 40);
    CHECK(pb_queue_first_object(&s.q, 29) == NULL);
    CHECK(pb_queue_first_object(&s.q, 30) == &owners[0]);
    CHECK(pb_queue_give(&s.q) == &owners[0]);
    s.released++;
    s.out += 30;
    check_stream(&s);
    drop(&s, 1);
    CHECK(pb_queue_first_object(&s.q, 39) == NULL);
    CHECK_EQ(pb_queue_kept(&s.q), 40);
    check_stream(&s);
    end(&s);
}

static void
test_bytes_put_back_before_the_rest_of_an_object(void)
{
    both s;
    pb_status st;
    begin(&s, PB_UNLIMITED);
    keep(&s, 30);
    put(&s, 3);
    drop(&s, 10);
    GROWING(&s.mem, st, pb_queue_unget(&s.q, stream + s.out - 4, 4));
    CHECK_OK(st);
    s.out -= 4;
    check_stream(&s);
    drop(&s, 5);
    check_stream(&s);
    end(&s);
}

static void
test_limits_count_objects(void)
{
    both s;
    begin(&s, 4);
    make_records(&s);
    pb_lender of = {&owners[0], stream, 4 * PB_PAGE_SIZE + 1, true};
    pb_status st;
    GROWING(&s.mem, st, pb_queue_keep(&s.q, &of));
    CHECK_STATUS(st, PB_LIMIT);
    CHECK_EQ(pb_queue_len(&s.q), 0);
    keep(&s, 3 * PB_PAGE_SIZE);
    GROWING(&s.mem, st, pb_queue_put(&s.q, stream + s.in, 2 * PB_PAGE_SIZE));
    CHECK_STATUS(st, PB_LIMIT);
    check_stream(&s);
    end(&s);
}

static void
test_the_pool_recounts_what_is_kept(void)
{
    both s;
    pb_fault fault = {0};
    begin(&s, PB_UNLIMITED);
    keep(&s, 30);
    put(&s, 3);
    keep(&s, 600);
    drop(&s, 10);
    CHECK_POOL(&s.mem.pool);
    s.mem.pool.lent++;
    CHECK(!pool_is_whole(&s.mem.pool, &fault));
    CHECK(strstr(fault.why, "lent") != NULL);
    s.mem.pool.lent--;
    CHECK_POOL(&s.mem.pool);
    end(&s);
}

/* What a pool does not list, it cannot count. */
static void
test_a_queue_of_objects_alone_stays_listed_when_a_reservation_ends(void)
{
    both s;
    pb_status st;
    begin(&s, PB_UNLIMITED);
    keep(&s, 600);
    GROWING(&s.mem, st, pb_queue_reserve(&s.q, 100, false));
    CHECK_OK(st);
    CHECK_OK(pb_queue_cancel(&s.q));
    CHECK_POOL(&s.mem.pool);
    check_stream(&s);
    end(&s);
}

/* The ring becomes smaller when little of it is used, but not at once: half of it is free then. */
static void
test_few_objects_need_few_records(void)
{
    both s;
    begin(&s, PB_UNLIMITED);
    for (unsigned round = 0; round < 3; round++) {
        while (s.kept - s.released < 3000) {
            keep(&s, 1);
        }
        CHECK_EQ(s.q.pieces.room, 4096);
        while (s.kept > s.released) {
            drop(&s, 1);
            uint32_t fewer = pb_queue_fewer_records(&s.q);
            if (fewer) {
                CHECK(fewer <= s.q.pieces.room / 4 && fewer >= 2 * (s.kept - s.released));
                set_records(&s, fewer);
                check_stream(&s);
            }
        }
        CHECK_EQ(s.q.pieces.room, PB_QUEUE_RECORDS_KEPT);
    }
    CHECK(s.moves < 50);
    end(&s);
}

int
main(void)
{
    for (unsigned i = 0; i < MOST; i++) {
        stream[i] = (uint8_t)(i * 7 ^ i >> 8);
    }
    RUN(test_records_follow_the_stream);
    RUN(test_a_needle_is_found_over_every_border);
    RUN(test_an_object_comes_out_again);
    RUN(test_bytes_put_back_before_the_rest_of_an_object);
    RUN(test_limits_count_objects);
    RUN(test_the_pool_recounts_what_is_kept);
    RUN(test_a_queue_of_objects_alone_stays_listed_when_a_reservation_ends);
    RUN(test_few_objects_need_few_records);
    return finish();
}
