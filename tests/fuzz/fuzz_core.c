/* fuzz_core.c: the bytes of an input as calls on a family of buffers and queues of one
 * pool, beside plain arrays of bytes.
 *
 * An input starts with what the pool is like.  Then come calls: a byte that says which one
 * and whether the pool is tight for it, a byte that says which buffers, and what the call
 * asks for.  Bytes are compared around what a call changed; every buffer, view and hold and
 * the whole pool after every CHECK_EVERY calls and at the end.  What does not agree is
 * printed, with the call, and the program aborts.
 *
 * PB_FUZZ_OPS=n in the environment ends the program, with status 0, after n calls.
 * PB_FUZZ_TRACE=1 prints every call and checks everything after each of them. */
#include "on_bytes.h"
#include "on_queues.h"
#include "on_ranges.h"
#include "on_views.h"

enum { CHECK_EVERY = 24, MOST_CALLS = 600 };

/* ---- which call ---- */

static void
call_trim(void)
{
    (void)pb_pool_trim(&f.mem.pool);
}

typedef struct {
    const char *name;
    void (*make)(void);
} call;

static const call on_buffers[] = {
    {"write", call_write},
    {"write", call_write},
    {"extend", call_extend},
    {"extend_often", call_extend_often},
    {"prepend", call_prepend},
    {"prepare", call_prepare},
    {"read", call_read},
    {"list_pieces", call_list_pieces},
    {"count pages", call_count_pages},
    {"take_ready", call_take_ready},
    {"truncate", call_truncate},
    {"punch", call_punch},
    {"drop_front", call_drop_front},
    {"export", call_export},
    {"clear", call_clear},
    {"renew", call_renew},
    {"share", call_share},
    {"share", call_share},
    {"restore", call_restore},
    {"range snapshot", call_range_snapshot},
    {"release", call_release},
    {"paste", call_paste},
    {"part", call_part},
    {"splice", call_splice},
    {"collapse", call_collapse},
    {"insert_hole", call_insert_hole},
    {"gap", call_gap},
    {"replace", call_replace},
    {"set_stride", call_set_stride},
    {"delete_stride", call_delete_stride},
    {"reverse", call_reverse},
    {"find", call_find},
    {"compare", call_compare},
    {"diff", call_diff},
    {"view", call_view},
    {"close_view", call_close_view},
    {"store", call_store},
    {"write_from_view", call_write_from_view},
    {"read_into_view", call_read_into_view},
    {"trim", call_trim},
    {"check", agree_on_all},
};

static const call on_queues[] = {
    {"put", call_put},
    {"keep", call_keep},
    {"take", call_take},
    {"unget", call_unget},
    {"reserve", call_reserve},
    {"fill", call_fill},
    {"commit", call_commit},
    {"cancel", call_cancel},
    {"queue_splice", call_queue_splice},
    {"search", call_search},
    {"queue_clear", call_queue_clear},
    {"queue_renew", call_queue_renew},
    {"view", call_view},
    {"close_view", call_close_view},
    {"store", call_store},
    {"read_into_view", call_read_into_view},
    {"range snapshot", call_range_snapshot},
};

#define COUNT(calls) (sizeof(calls) / sizeof *(calls))

/* For one call in eight the pool has few frames, or cannot grow. */
static void
set_tight(unsigned how)
{
    pb_pool *pool = &f.mem.pool;
    f.tight = true;
    f.stingy = how & 1;
    pool->limit = f.stingy ? PB_UNLIMITED : pool->held + (how >> 1) % 32;
}

static bool tracing;

static void
trace(void)
{
    printf("%4" PRIu64 " %-16s to %d: %" PRIu64 " bytes, from %d: %" PRIu64
           " bytes, flags %u%s%s\n",
           f.calls, f.call, (int)(to - f.member), to->b.root.size, (int)(from - f.member),
           from->b.root.size, flags, f.tight ? ", tight" : "", f.stingy ? ", stingy" : "");
}

static void
next_call(void)
{
    unsigned kind = next_byte(&in), who = next_byte(&in);
    to = &f.member[who % MEMBERS];
    from = &f.member[who / MEMBERS % MEMBERS];
    from = keeps(from) ? to : from;
    flags = who / (MEMBERS * MEMBERS); /* 0 .. 10 */
    unsigned n = is_queue(to) ? COUNT(on_queues) : COUNT(on_buffers);
    const call *c = (is_queue(to) ? on_queues : on_buffers) + kind % n;
    f.tight = f.stingy = false;
    if (kind >= 224) {
        set_tight(next_byte(&in));
    }
    f.call = c->name;
    f.calls++;
    if (tracing) {
        trace();
    }
    c->make();
    f.mem.pool.limit = PB_UNLIMITED;
    for (unsigned k = PLAIN_BUFFERS; k < MEMBERS; k++) {
        settle_queue(&f.member[k]);
    }
}

/* ---- a whole input ---- */

static uint64_t all_calls, most_calls = UINT64_MAX;

/* Set the debug level of the pool. */
static void
set_level(pb_pool *pool, unsigned level)
{
    pb_pool_set_debug(pool, level & 1);
}

static void
family_begin(void)
{
    static const uint16_t pieces[] = {0, 24, 90, 700};
    unsigned kind = next_byte(&in), level = next_byte(&in);
    f.calls = 0;
    f.call = "begin";
    f.full = f.tight = f.stingy = false;
    memory_init(&f.mem, PB_UNLIMITED, kind & 1);
    set_level(&f.mem.pool, level);
    /* fewer large pages, but 24 at least */
    f.piece =
        PB_PAGE_SHIFT == 12 ? pb_max(24, pieces[kind >> 1 & 3] / 3) : pieces[kind >> 1 & 3];
    for (unsigned k = 0; k < MEMBERS; k++) {
        member_begin(&f.member[k], PB_MAX_LEVELS);
    }
}

/* End everything, and check that all frames are back. */
static void
family_end(void)
{
    agree_on_all();
    for (unsigned k = 0; k < MEMBERS; k++) {
        member_end(&f.member[k]);
    }
    for (unsigned k = 0; k < VIEWS; k++) {
        close_view(&f.view[k]);
    }
    check_whole_pool();
    CHECK_EQ(f.mem.pool.held, 0);
    CHECK_EQ(f.mem.pool.lent, 0);
    CHECK_EQ(f.mem.pool.nodes, 0);
    CHECK_EQ(f.mem.pool.detached, 0);
    memory_fini(&f.mem);
}

static void
play(void)
{
    family_begin();
    while (in.at < in.end && f.calls < MOST_CALLS) {
        next_call();
        if (tracing || f.calls % CHECK_EVERY == 0) {
            f.call = tracing ? f.call : "check";
            agree_on_all();
        }
    }
    f.call = "end";
    family_end();
}

static void
print_calls(void)
{
    fprintf(stderr, "%" PRIu64 " operations, pages of %zu bytes\n", all_calls,
            PB_PAGE_SIZE);
}

static void
begin_counting(void)
{
    const char *most = getenv("PB_FUZZ_OPS");
    static bool begun;
    if (begun) {
        return;
    }
    begun = true;
    atexit(print_calls);
    tracing = getenv("PB_FUZZ_TRACE") != NULL;
    most_calls = most ? strtoull(most, NULL, 10) : UINT64_MAX;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin_counting();
    in = (input){data, data + size};
    run_.test = "fuzz_core";
    if (setjmp(run_.out)) {
        printf("    in call %" PRIu64 ", %s, of buffers %d and %d\n", f.calls, f.call,
               (int)(to - f.member), (int)(from - f.member));
        fflush(stdout);
        abort();
    }
    play();
    all_calls += f.calls;
    if (all_calls >= most_calls) {
        print_calls();
        _Exit(0); /* exit() within an input is an error to libFuzzer */
    }
    return 0;
}
