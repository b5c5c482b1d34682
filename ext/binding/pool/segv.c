/* pool/segv.c: the handler.  It allocates nothing, takes no lock and calls no Python. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1 /* REG_ERR */
#endif
#include "pool/segv.h"

#include "pool/trace.h"
#include "pool/poison.h"
#include "pool/guard.h"

#if PB_ON_UNIX
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

/* A signal handler belongs to the process, so what it knows is global.  Each interpreter
 * has a map. */
#define WATCHED 16
static pb_map *watched[WATCHED];
static struct sigaction before[2]; /* SIGSEGV, SIGBUS */
static int installed;

/* ---- a line, piece by piece ---- */

typedef struct {
    char text[512];
    size_t n;
} line;

static void
put(line *l, const char *text)
{
    for (; *text && l->n < sizeof l->text - 1; text++) {
        l->text[l->n++] = *text;
    }
}

static void
put_number(line *l, uint64_t value, unsigned base)
{
    char digits[24];
    size_t n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n && l->n < sizeof l->text - 1) {
        l->text[l->n++] = digits[--n];
    }
}

static void
put_event(line *l, const PoolObject *pool, const char *what, uint32_t number)
{
    const char *who = trace_who(pool, number);
    int at = 0;
    const char *where = trace_where(pool, number, &at);
    if (who == NULL) {
        return;
    }
    put(l, what);
    put(l, who);
    if (where) {
        put(l, " (");
        put(l, where);
        put(l, ":");
        put_number(l, (uint64_t)at, 10);
        put(l, ")");
    }
}

/* ---- what was touched ---- */

static const char *const states[PB_KINDS] = {
    [PB_KIND_NONE] = "that was never used",
    [PB_KIND_DATA] = "that is frozen",
    [PB_KIND_NODE] = "that is a node",
    [PB_KIND_DETACHED] = "that only a view still has",
    [PB_KIND_QUARANTINED] = "that was freed",
    [PB_KIND_GUARD] = "that guards the one before it",
    [PB_KIND_FREE] = "that was freed",
};

/* Whose run ends right before the frame: a write past its end hits this one. */
static void
put_neighbour(line *l, const pb_region *r, pb_frame frame)
{
    pb_frame last = frame - 1;
    if (last == 0 || last < r->first || !pb_frame_readable(r->pool, last)) {
        return;
    }
    put(l, "; right behind frame ");
    put_number(l, last, 10);
    put_event(l, pool_around(r->pool), " of ", pb_frame_trace(r->pool, last).took);
}

static void
put_region(line *l, const pb_region *r, uintptr_t address)
{
    pb_frame frame = pb_debug_frame_at(r, address);
    pb_trace trace = pb_frame_trace(r->pool, frame);
    put(l, ": byte ");
    put_number(l, address & PB_PAGE_MASK, 10);
    put(l, " of frame ");
    put_number(l, frame, 10);
    put(l, ", ");
    put(l, states[pb_frame_kind(r, frame)]);
    put_event(l, pool_around(r->pool), ", taken by ", trace.took);
    put_event(l, pool_around(r->pool), ", freed by ", trace.freed);
    if (!pb_frame_readable(r->pool, frame)) {
        put_neighbour(l, r, frame);
    }
}

static const char *
access_of(void *context)
{
#if defined(__linux__) && defined(__x86_64__) && defined(__USE_GNU)
    const ucontext_t *uc = context;
    return uc->uc_mcontext.gregs[REG_ERR] & 2 ? "write to " : "read of ";
#else
    (void)context;
    return "access to ";
#endif
}

static void
report(uintptr_t address, void *context)
{
    for (int i = 0; i < WATCHED; i++) {
        const pb_interval *x =
            watched[i] ? pb_intervals_touching(&watched[i]->regions, (void *)address, 1)
                       : NULL;
        if (x) {
            line l = {.n = 0};
            put(&l, "pagebuf: ");
            put(&l, access_of(context));
            put(&l, "0x");
            put_number(&l, address, 16);
            put_region(&l, pb_debug_region(x), address);
            put(&l, "\n");
            (void)!write(STDERR_FILENO, l.text, l.n);
            return;
        }
    }
}

/* ---- the handler ---- */

/* The address of this thread's last fault.  A signal that is sent while a handler runs
 * still has it in its context. */
static bool
last_fault(void *context, uintptr_t *address)
{
#if defined(__linux__) && defined(__x86_64__) && defined(__USE_GNU)
    *address = (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_CR2];
    return true;
#elif defined(__linux__) && defined(__aarch64__)
    *address = (uintptr_t)((const ucontext_t *)context)->uc_mcontext.fault_address;
    return true;
#else
    (void)context;
    (void)address;
    return false;
#endif
}

/* Go on as if this handler were not there.  Call the one before it, if there was one.
 * Otherwise restore the default action; then the access happens again, or the signal is
 * sent again, and the process ends. */
static void
go_on(int number, siginfo_t *info, void *context, bool sent)
{
    struct sigaction *old = &before[number == SIGBUS];
    if (old->sa_flags & SA_SIGINFO) {
        old->sa_sigaction(number, info, context);
    }
    else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
        old->sa_handler(number);
    }
    else if (!sent || old->sa_handler == SIG_DFL) {
        struct sigaction end = {.sa_handler = SIG_DFL};
        sigaction(number, &end, NULL);
        if (sent) {
            raise(number);
        }
    }
}

/* faulthandler prints the stacks, then sends the signal again.  A signal that is sent
 * has no address.  Where the context does not tell it either, let the access happen once
 * more: that fault has one. */
static void
on_fault(int number, siginfo_t *info, void *context)
{
    static int again;
    uintptr_t address = (uintptr_t)info->si_addr;
    bool sent = info->si_code <= 0;
    if (!sent || last_fault(context, &address)) {
        report(address, context);
    }
    else if (info->si_code != SI_USER && !again) {
        again = 1;
        return;
    }
    go_on(number, info, context, sent);
}

static void
install(void)
{
    struct sigaction ours = {.sa_sigaction = on_fault,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&ours.sa_mask);
    sigaction(SIGSEGV, &ours, &before[0]);
    sigaction(SIGBUS, &ours, &before[1]);
    installed = 1;
}

void
segv_watch(pb_map *map)
{
    int free_place = -1;
    for (int i = 0; i < WATCHED; i++) {
        if (watched[i] == map) {
            return;
        }
        free_place = watched[i] == NULL ? i : free_place;
    }
    if (free_place >= 0) {
        watched[free_place] = map;
    }
    if (!installed) {
        install();
    }
}

void
segv_forget(pb_map *map)
{
    for (int i = 0; i < WATCHED; i++) {
        if (watched[i] == map) {
            watched[i] = NULL;
        }
    }
}

#else

void
segv_watch(pb_map *map)
{
    (void)map;
}

void
segv_forget(pb_map *map)
{
    (void)map;
}

#endif
