/* store/space.c: which frames of a file are in use. */
#include "store/space.h"

/* A run that is taken from for a while.  Longer ones leave less of a file to others, shorter ones
 * cut it. */
#define RUN_OF_PAGES 64
#define RUN_OF_NODES 16

/* ---- the memory ---- */

size_t
pb_space_bytes(uint64_t frames)
{
    frames = (frames + 7) & ~(uint64_t)7;
    return (size_t)(frames * (4 + 4 + 1) + ((pb_space_row_pages(frames) + 7) & ~7ull));
}

static void
lay(pb_space *space, void *memory, uint64_t room)
{
    room = (room + 7) & ~(uint64_t)7;
    space->count = memory;
    space->link = space->count + room;
    space->state = (uint8_t *)(space->link + room);
    space->dirty = space->state + room;
    space->room = room;
}

void
pb_space_begin(pb_space *space, void *memory, uint64_t room, uint64_t frames)
{
    memset(space, 0, sizeof *space);
    memset(memory, 0, pb_space_bytes(room));
    lay(space, memory, room);
    space->frames = frames;
    space->held = PB_FIRST_FRAME;
    memset(space->state, PB_SPACE_HELD, PB_FIRST_FRAME); /* never free, never counted */
    space->search = PB_FIRST_FRAME;
}

void
pb_space_move(pb_space *space, void *memory, uint64_t room)
{
    pb_space old = *space;
    memset(memory, 0, pb_space_bytes(room));
    lay(space, memory, room);
    memcpy(space->count, old.count, old.frames * sizeof *old.count);
    memcpy(space->link, old.link, old.frames * sizeof *old.link);
    memcpy(space->state, old.state, old.frames);
    memcpy(space->dirty, old.dirty, pb_space_row_pages(old.frames));
}

/* ---- touched frames, and those that wait ---- */

static void
append(pb_space *space, pb_space_queue *queue, pb_frame frame)
{
    space->link[frame] = 0;
    if (queue->first) {
        space->link[queue->last] = frame;
    }
    else {
        queue->first = frame;
    }
    queue->last = frame;
}

static pb_frame
take_first(pb_space *space, pb_space_queue *queue)
{
    pb_frame frame = queue->first;
    if (frame) {
        queue->first = space->link[frame];
    }
    return frame;
}

static void
touch(pb_space *space, pb_frame frame)
{
    space->dirty[frame / PB_ROWS_PER_PAGE] = 1;
    if (!(space->state[frame] & PB_SPACE_TOUCHED)) {
        space->state[frame] |= PB_SPACE_TOUCHED;
        append(space, &space->touched, frame);
    }
}

pb_frame
pb_space_untouch(pb_space *space)
{
    pb_frame frame = take_first(space, &space->touched);
    if (frame) {
        space->state[frame] &= (uint8_t)~PB_SPACE_TOUCHED;
    }
    return frame;
}

static void
set_state(pb_space *space, pb_frame frame, pb_space_state state)
{
    space->state[frame] = (uint8_t)((space->state[frame] & ~PB_SPACE_STATE) | state);
}

/* ---- take ---- */

static bool
in_a_run(const pb_space *space, pb_frame frame)
{
    bool in = false;
    for (unsigned kind = 0; kind < PB_SPACE_KINDS; kind++) {
        in |= frame >= space->next[kind] && frame < space->end[kind];
    }
    return in;
}

static bool
is_free(const pb_space *space, pb_frame frame)
{
    return pb_space_of(space, frame) == PB_SPACE_FREE && !in_a_run(space, frame);
}

/* Find the next free frames from `search` on, at most `most`.  false: none up to the end. */
static bool
find_run(pb_space *space, pb_space_kind kind, uint32_t most)
{
    uint64_t at = space->search;
    while (at < space->frames && !is_free(space, (pb_frame)at)) {
        at++;
    }
    uint64_t end = at;
    while (end < space->frames && end - at < most && is_free(space, (pb_frame)end)) {
        end++;
    }
    space->search = (pb_frame)end;
    space->next[kind] = (pb_frame)at;
    space->end[kind] = (pb_frame)end;
    return end > at;
}

static bool
next_run(pb_space *space, pb_space_kind kind)
{
    uint32_t most = kind == PB_SPACE_NODE ? RUN_OF_NODES : RUN_OF_PAGES;
    space->next[kind] = space->end[kind] = 0;
    if (space->held + space->pending >= space->frames) {
        return false;
    }
    if (find_run(space, kind, most)) {
        return true;
    }
    space->search = PB_FIRST_FRAME;
    return find_run(space, kind, most);
}

/* The last free frames may all lie in the run of the other kind. */
static bool
steal_run(pb_space *space, pb_space_kind kind)
{
    pb_space_kind other = kind == PB_SPACE_NODE ? PB_SPACE_PAGE : PB_SPACE_NODE;
    if (space->next[other] >= space->end[other]) {
        return false;
    }
    space->end[kind] = space->end[other];
    space->next[kind] = --space->end[other];
    return true;
}

pb_frame
pb_space_take(pb_space *space, pb_space_kind kind)
{
    if (space->next[kind] >= space->end[kind] && !next_run(space, kind) &&
        !steal_run(space, kind)) {
        return 0;
    }
    pb_frame frame = space->next[kind]++;
    set_state(space, frame, PB_SPACE_FRESH);
    space->count[frame] = 1;
    space->held++;
    touch(space, frame);
    return frame;
}

/* ---- count ---- */

void
pb_space_ref(pb_space *space, pb_frame frame)
{
    space->count[frame]++;
    touch(space, frame);
}

/* A FRESH frame is free at once: no commit names it.  A HELD one waits for the end of the commit,
 * when pb_space_settle sees that its count is 0. */
uint32_t
pb_space_unref(pb_space *space, pb_frame frame)
{
    uint32_t left = --space->count[frame];
    touch(space, frame);
    if (left == 0) {
        space->held--;
        if (pb_space_of(space, frame) == PB_SPACE_FRESH) {
            set_state(space, frame, PB_SPACE_FREE);
        }
        else {
            space->pending++;
        }
    }
    return left;
}

static void
wait_for(pb_space *space, pb_frame frame, uint64_t sequence)
{
    set_state(space, frame, PB_SPACE_PENDING);
    space->count[frame] = (uint32_t)sequence;
    space->state[frame] |= PB_SPACE_QUEUED;
    append(space, &space->freed, frame);
}

void
pb_space_settle(pb_space *space, pb_frame frame, uint64_t sequence)
{
    pb_space_state state = pb_space_of(space, frame);
    if (state == PB_SPACE_FRESH) {
        set_state(space, frame, PB_SPACE_HELD);
    }
    else if (state == PB_SPACE_HELD && space->count[frame] == 0) {
        wait_for(space, frame, sequence);
    }
}

/* ---- what waits ---- */

void
pb_space_replay(pb_space *space, pb_frame frame, uint32_t count, uint64_t sequence,
                uint64_t free_up_to)
{
    pb_space_state old = pb_space_of(space, frame);
    space->held -= old == PB_SPACE_HELD;
    space->pending -= old == PB_SPACE_PENDING;
    space->dirty[frame / PB_ROWS_PER_PAGE] = 1;
    space->count[frame] = count;
    if (count) {
        set_state(space, frame, PB_SPACE_HELD);
        space->held++;
    }
    else if (sequence > free_up_to) {
        set_state(space, frame, PB_SPACE_PENDING);
        space->count[frame] = (uint32_t)sequence;
        space->pending++;
    }
    else {
        set_state(space, frame, PB_SPACE_FREE);
    }
}

void
pb_space_queue_pending(pb_space *space, pb_frame frame, uint64_t sequence)
{
    if (pb_space_of(space, frame) == PB_SPACE_PENDING &&
        space->count[frame] == (uint32_t)sequence &&
        !(space->state[frame] & PB_SPACE_QUEUED)) {
        wait_for(space, frame, sequence);
    }
}

/* Sequence numbers that wait are less than 2^31 apart. */
void
pb_space_release(pb_space *space, uint64_t sequence)
{
    pb_frame frame = space->freed.first;
    while (frame && (int32_t)((uint32_t)sequence - space->count[frame]) >= 0) {
        take_first(space, &space->freed);
        space->state[frame] &= (uint8_t)~PB_SPACE_QUEUED;
        set_state(space, frame, PB_SPACE_FREE);
        space->count[frame] = 0;
        space->pending--;
        frame = space->freed.first;
    }
}
