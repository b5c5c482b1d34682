/* store/super.c: superblocks, from and to bytes. */
#include "store/internal.h"

#include "directory/directory.h"

static const uint8_t magic[8] = {0x89, 'P', 'B', 'S', '\r', '\n', 0x1a, '\n'};

#define BYTE_ORDER_MARK 0x01020304
#define SEQUENCE_MOST ((uint64_t)1 << 63)

/* Where the fields lie. */
enum {
    AT_MAJOR = 8,
    AT_MINOR = 10,
    AT_INCOMPATIBLE = 12,
    AT_READ_ONLY = 16,
    AT_COMPATIBLE = 20,
    AT_SHIFT = 24,
    AT_NODE_BITS = 25,
    AT_ROOT_SLOTS = 26,
    AT_SLOT = 27,
    AT_MARK = 28,
    AT_UUID = 32,
    AT_SEQUENCE = 48,
    AT_COMMIT = 56,
    AT_FRAMES = 64,
    AT_HELD = 72,
    AT_TIME = 80,
    AT_FLAGS = 88,
    AT_LISTED = 92,
    AT_LOGGED = 96,
    AT_DIRECTORY = 104,
    AT_NAMES = 160,
    AT_SNAPSHOTS = 184,
    AT_SNAPSHOT_NAMES = 240,
    AT_ROWS = 264,
    AT_LOG = 320,
    AT_CHECKPOINT = 376,
    AT_LIST = 512,
    AT_CRC = 4092,
};

/* ---- numbers ---- */

static void
put16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
}

static void
put32(uint8_t *at, uint32_t v)
{
    put16(at, (uint16_t)v);
    put16(at + 2, (uint16_t)(v >> 16));
}

static void
put64(uint8_t *at, uint64_t v)
{
    put32(at, (uint32_t)v);
    put32(at + 4, (uint32_t)(v >> 32));
}

static uint32_t
get32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t
get64(const uint8_t *at)
{
    return get32(at) | (uint64_t)get32(at + 4) << 32;
}

/* ---- roots ---- */

static void
put_root(uint8_t *at, const pb_file_root *root)
{
    put64(at, root->size);
    put64(at + 8, root->bias);
    at[16] = root->levels;
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        put64(at + 24 + 8 * i, pb_entry_load(&root->slot[i]));
    }
}

static void
get_root(pb_file_root *root, const uint8_t *at)
{
    root->size = get64(at);
    root->bias = get64(at + 8);
    root->levels = at[16];
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        pb_tree_set(&root->slot[i], get64(at + 24 + 8 * i));
    }
}

/* A tree has levels that reach its bytes; one without levels is empty. */
static bool
root_is_right(const pb_file_root *root)
{
    uint64_t end;
    if (root->levels == 0) {
        return root->size == 0 && root->bias == 0 && pb_file_root_is_empty(root);
    }
    return root->levels <= PB_MAX_LEVELS &&
           !pb_add_overflows(root->size, root->bias, &end) && end <= pb_reach(root->levels);
}

/* S1: all of it but itself. */
static uint32_t
checksum_of(const uint8_t *b)
{
    return pb_crc32(0, b, PB_PLANTED(HALF_CRC) ? AT_LIST : AT_CRC);
}

void
pb_file_root_encode(const pb_file_root *root, uint8_t *at)
{
    memset(at, 0, PB_ROOT_BYTES);
    put_root(at, root);
}

bool
pb_file_root_decode(pb_file_root *root, const uint8_t *at)
{
    get_root(root, at);
    return root_is_right(root);
}

/* ---- names ---- */

void
pb_file_names_encode(const pb_file_names *names, uint8_t *at)
{
    put64(at, names->names);
    put32(at + 8, names->root);
    put32(at + 12, names->height);
    put32(at + 16, names->free);
    put32(at + 20, names->pages);
}

/* Names have a root, and pages lie in the bytes of their tree, which begins at position 0. */
static bool
names_are_right(const pb_file_names *n, const pb_file_root *tree)
{
    uint32_t pages = n->pages ? n->pages : 1;
    return n->root < pages && n->free < pages && n->height < PB_DIRECTORY_HEIGHT &&
           (n->root != 0) == (n->names != 0) && (n->root != 0 || n->height == 0) &&
           (n->pages < 2 ||
            (tree->bias == 0 && (uint64_t)n->pages * PB_DIRECTORY_PAGE <= tree->size));
}

bool
pb_file_names_decode(pb_file_names *names, const pb_file_root *tree, const uint8_t *at)
{
    *names = (pb_file_names){get64(at), get32(at + 8), get32(at + 12), get32(at + 16),
                             get32(at + 20)};
    return names_are_right(names, tree);
}

void
pb_super_put64(uint8_t *at, uint64_t v)
{
    put64(at, v);
}

uint64_t
pb_super_get64(const uint8_t *at)
{
    return get64(at);
}

/* ---- encode ---- */

static void
put_fixed(uint8_t *b, const pb_super *s)
{
    memcpy(b, magic, sizeof magic);
    put16(b + AT_MAJOR, PB_STORE_MAJOR);
    put16(b + AT_MINOR, PB_STORE_MINOR);
    b[AT_SHIFT] = PB_PAGE_SHIFT;
    b[AT_NODE_BITS] = PB_NODE_BITS;
    b[AT_ROOT_SLOTS] = PB_ROOT_SLOTS;
    b[AT_SLOT] = s->slot;
    put32(b + AT_MARK, BYTE_ORDER_MARK);
    memcpy(b + AT_UUID, s->uuid, sizeof s->uuid);
}

static void
put_lists(uint8_t *b, const pb_super *s)
{
    uint8_t *at = b + AT_LIST;
    for (uint32_t i = 0; i < s->listed; i++, at += PB_LIST_BYTES) {
        put32(at, s->list[i].frame);
        put32(at + 4, s->list[i].crc);
    }
    for (uint32_t i = 0; i < s->logged; i++, at += PB_LOG_BYTES) {
        put32(at, s->tail[i].frame);
        put32(at + 4, s->tail[i].length);
        put32(at + 8, s->tail[i].count);
    }
}

void
pb_super_encode(const pb_super *s, uint8_t *b)
{
    memset(b, 0, PB_SUPER_BYTES);
    put_fixed(b, s);
    put64(b + AT_SEQUENCE, s->sequence);
    put64(b + AT_COMMIT, s->commit);
    put64(b + AT_FRAMES, s->frames);
    put64(b + AT_HELD, s->held);
    put64(b + AT_TIME, s->time);
    put32(b + AT_READ_ONLY, s->read_only);
    put32(b + AT_COMPATIBLE, s->compatible);
    put32(b + AT_FLAGS, s->flags);
    put32(b + AT_LISTED, s->listed);
    put32(b + AT_LOGGED, s->logged);
    put_root(b + AT_DIRECTORY, &s->directory);
    pb_file_names_encode(&s->names, b + AT_NAMES);
    put_root(b + AT_SNAPSHOTS, &s->snapshots);
    pb_file_names_encode(&s->snapshot_names, b + AT_SNAPSHOT_NAMES);
    put_root(b + AT_ROWS, &s->rows);
    put_root(b + AT_LOG, &s->log);
    put64(b + AT_CHECKPOINT, s->checkpoint);
    put_lists(b, s);
    put32(b + AT_CRC, checksum_of(b));
}

/* ---- decode ---- */

static bool
is_blank(const uint8_t *b)
{
    return b[0] == 0 && memcmp(b, b + 1, PB_SUPER_BYTES - 1) == 0;
}

/* What can be said before any other field is believed. */
static pb_super_state
first_look(const uint8_t *b)
{
    if (is_blank(b)) {
        return PB_SUPER_BLANK;
    }
    if (memcmp(b, magic, sizeof magic) != 0) {
        return PB_SUPER_FOREIGN;
    }
    if (get32(b + AT_CRC) != checksum_of(b)) {
        return PB_SUPER_DAMAGED;
    }
    if ((b[AT_MAJOR] | b[AT_MAJOR + 1] << 8) != PB_STORE_MAJOR ||
        get32(b + AT_INCOMPATIBLE) != 0) {
        return PB_SUPER_VERSION;
    }
    return b[AT_SHIFT] == PB_PAGE_SHIFT ? PB_SUPER_OK : PB_SUPER_PAGE_SIZE;
}

static bool
fixed_is_right(const uint8_t *b, unsigned slot)
{
    return b[AT_NODE_BITS] == PB_NODE_BITS && b[AT_ROOT_SLOTS] == PB_ROOT_SLOTS &&
           b[AT_SLOT] == slot && get32(b + AT_MARK) == BYTE_ORDER_MARK;
}

static void
get_lists(pb_super *s, const uint8_t *b)
{
    const uint8_t *at = b + AT_LIST;
    for (uint32_t i = 0; i < s->listed; i++, at += PB_LIST_BYTES) {
        s->list[i] = (pb_listed){get32(at), get32(at + 4)};
    }
    for (uint32_t i = 0; i < s->logged; i++, at += PB_LOG_BYTES) {
        s->tail[i] = (pb_log_record){get32(at), get32(at + 4), get32(at + 8)};
    }
}

static bool
is_right(const pb_super *s)
{
    return s->sequence > 0 && s->sequence < SEQUENCE_MOST && s->frames >= PB_FIRST_FRAME &&
           s->frames <= PB_MOST_FRAMES && s->held <= s->frames &&
           s->checkpoint <= s->sequence && root_is_right(&s->directory) &&
           root_is_right(&s->snapshots) && root_is_right(&s->rows) &&
           root_is_right(&s->log) && s->log.size % PB_LOG_BYTES == 0;
}

pb_super_state
pb_super_decode(pb_super *s, const uint8_t *b, unsigned slot)
{
    pb_super_state state = first_look(b);
    if (state != PB_SUPER_OK) {
        return state;
    }
    s->slot = b[AT_SLOT];
    memcpy(s->uuid, b + AT_UUID, sizeof s->uuid);
    s->sequence = get64(b + AT_SEQUENCE);
    s->commit = get64(b + AT_COMMIT);
    s->frames = get64(b + AT_FRAMES);
    s->held = get64(b + AT_HELD);
    s->time = get64(b + AT_TIME);
    s->read_only = get32(b + AT_READ_ONLY);
    s->compatible = get32(b + AT_COMPATIBLE);
    s->flags = get32(b + AT_FLAGS);
    s->listed = get32(b + AT_LISTED);
    s->logged = get32(b + AT_LOGGED);
    get_root(&s->directory, b + AT_DIRECTORY);
    get_root(&s->snapshots, b + AT_SNAPSHOTS);
    get_root(&s->rows, b + AT_ROWS);
    get_root(&s->log, b + AT_LOG);
    s->checkpoint = get64(b + AT_CHECKPOINT);
    bool named =
        pb_file_names_decode(&s->names, &s->directory, b + AT_NAMES) &&
        pb_file_names_decode(&s->snapshot_names, &s->snapshots, b + AT_SNAPSHOT_NAMES);
    if (!fixed_is_right(b, slot) || !pb_super_fits(s->listed, s->logged) || !is_right(s) ||
        !named) {
        return PB_SUPER_WRONG;
    }
    get_lists(s, b);
    return PB_SUPER_OK;
}
