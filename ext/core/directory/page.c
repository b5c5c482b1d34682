/* directory/page.c: records of a page of a directory. */
#include "directory/page.h"

enum {
    AT_KIND = 0,
    AT_HEIGHT = 1,
    AT_RECORDS = 2,
    AT_NEXT = 4,
    AT_LOW = 8,
    AT_GONE = 10,
    AT_PLACES = 12,
};

#define LEAF_HEAD 4u
#define INNER_HEAD 5u

static uint32_t
get16(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

static void
put16(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
}

static uint32_t
get32(const uint8_t *at)
{
    return get16(at) | get16(at + 2) << 16;
}

static void
put32(uint8_t *at, uint32_t v)
{
    put16(at, v & 0xffff);
    put16(at + 2, v >> 16);
}

/* ---- look ---- */

unsigned
pb_page_kind(const pb_directory_page *page)
{
    return page->bytes[AT_KIND];
}

unsigned
pb_page_height(const pb_directory_page *page)
{
    return page->bytes[AT_HEIGHT];
}

uint32_t
pb_page_records(const pb_directory_page *page)
{
    return get16(page->bytes + AT_RECORDS);
}

uint32_t
pb_page_next_free(const pb_directory_page *page)
{
    return get32(page->bytes + AT_NEXT);
}

static const uint8_t *
record(const pb_directory_page *page, uint32_t i)
{
    return page->bytes + get16(page->bytes + AT_PLACES + 2 * i);
}

static uint32_t
record_bytes(const pb_directory_page *page, const uint8_t *r)
{
    return pb_page_kind(page) == PB_DIRECTORY_LEAF ? LEAF_HEAD + get16(r + 2) + r[0]
                                                   : INNER_HEAD + r[4];
}

pb_name
pb_page_name(const pb_directory_page *page, uint32_t i)
{
    const uint8_t *r = record(page, i);
    if (pb_page_kind(page) == PB_DIRECTORY_LEAF) {
        return (pb_name){r + LEAF_HEAD + get16(r + 2), r[0]};
    }
    return (pb_name){r + INNER_HEAD, r[4]};
}

uint32_t
pb_page_child(const pb_directory_page *page, uint32_t i)
{
    return get32(record(page, i));
}

const uint8_t *
pb_page_value(const pb_directory_page *page, uint32_t i, uint32_t *size, uint8_t *kind)
{
    const uint8_t *r = record(page, i);
    *kind = r[1];
    *size = get16(r + 2);
    return r + LEAF_HEAD;
}

int
pb_name_compare(pb_name a, pb_name b)
{
    uint32_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.bytes, b.bytes, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

uint32_t
pb_page_search(const pb_directory_page *page, pb_name name, bool *found)
{
    uint32_t low = 0, high = pb_page_records(page);
    *found = false;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = pb_name_compare(pb_page_name(page, middle), name);
        *found |= order == 0;
        if (order < 0) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}

static uint32_t
room_in_one_piece(const pb_directory_page *page)
{
    return get16(page->bytes + AT_LOW) - AT_PLACES - 2 * pb_page_records(page);
}

uint32_t
pb_page_room(const pb_directory_page *page)
{
    return room_in_one_piece(page) + get16(page->bytes + AT_GONE);
}

/* ---- change ---- */

void
pb_page_begin(pb_directory_page *page, pb_directory_kind kind, unsigned height)
{
    memset(page, 0, sizeof *page);
    page->bytes[AT_KIND] = (uint8_t)kind;
    page->bytes[AT_HEIGHT] = (uint8_t)height;
    put16(page->bytes + AT_LOW, PB_DIRECTORY_PAGE);
}

void
pb_page_set_next_free(pb_directory_page *page, uint32_t next)
{
    put32(page->bytes + AT_NEXT, next);
}

/* Append a record that is a copy of another page's. */
static void
append(pb_directory_page *to, const uint8_t *r, uint32_t n)
{
    uint32_t low = get16(to->bytes + AT_LOW) - n, records = pb_page_records(to);
    memcpy(to->bytes + low, r, n);
    put16(to->bytes + AT_LOW, low);
    put16(to->bytes + AT_PLACES + 2 * records, low);
    put16(to->bytes + AT_RECORDS, records + 1);
}

/* Move the records [from, past) of a page to another. */
static void
copy_records(pb_directory_page *to, const pb_directory_page *page, uint32_t from,
             uint32_t past)
{
    for (uint32_t i = from; i < past; i++) {
        append(to, record(page, i), record_bytes(page, record(page, i)));
    }
}

static void
close_gaps(pb_directory_page *page)
{
    pb_directory_page old = *page;
    pb_page_begin(page, (pb_directory_kind)pb_page_kind(&old), pb_page_height(&old));
    copy_records(page, &old, 0, pb_page_records(&old));
}

/* Make a place for record i, and room for its n bytes, which the caller fills. */
static uint8_t *
make_room(pb_directory_page *page, uint32_t i, uint32_t n)
{
    if (room_in_one_piece(page) < n + 2) {
        close_gaps(page);
    }
    uint32_t low = get16(page->bytes + AT_LOW) - n, records = pb_page_records(page);
    uint8_t *place = page->bytes + AT_PLACES + 2 * i;
    memmove(place + 2, place, 2 * (size_t)(records - i));
    put16(place, low);
    put16(page->bytes + AT_LOW, low);
    put16(page->bytes + AT_RECORDS, records + 1);
    return page->bytes + low;
}

static void
put_name(uint8_t *at, pb_name name)
{
    if (name.n) {
        memcpy(at, name.bytes, name.n);
    }
}

void
pb_page_insert_leaf(pb_directory_page *page, uint32_t i, pb_name name, uint8_t kind,
                    const uint8_t *value, uint32_t size)
{
    uint8_t *r = make_room(page, i, LEAF_HEAD + size + name.n);
    r[0] = (uint8_t)name.n;
    r[1] = kind;
    put16(r + 2, size);
    memcpy(r + LEAF_HEAD, value, size);
    put_name(r + LEAF_HEAD + size, name);
}

void
pb_page_insert_inner(pb_directory_page *page, uint32_t i, pb_name name, uint32_t child)
{
    uint8_t *r = make_room(page, i, INNER_HEAD + name.n);
    put32(r, child);
    r[4] = (uint8_t)name.n;
    put_name(r + INNER_HEAD, name);
}

/* What is gone is zeros, so that a file does not keep names that were removed. */
void
pb_page_remove(pb_directory_page *page, uint32_t i)
{
    uint32_t records = pb_page_records(page), at = get16(page->bytes + AT_PLACES + 2 * i);
    uint32_t n = record_bytes(page, page->bytes + at);
    uint8_t *place = page->bytes + AT_PLACES + 2 * i;
    memset(page->bytes + at, 0, n);
    memmove(place, place + 2, 2 * (size_t)(records - i - 1));
    put16(page->bytes + AT_PLACES + 2 * (records - 1), 0);
    put16(page->bytes + AT_RECORDS, records - 1);
    put16(page->bytes + AT_GONE, get16(page->bytes + AT_GONE) + n);
}

void
pb_page_split(pb_directory_page *page, pb_directory_page *right)
{
    pb_directory_page old = *page;
    uint32_t records = pb_page_records(&old), i = 0, half = 0;
    uint32_t all = PB_DIRECTORY_PAGE - AT_PLACES - pb_page_room(&old);
    while (i + 1 < records && (i == 0 || half < all / 2)) {
        half += 2 + record_bytes(&old, record(&old, i));
        i++;
    }
    pb_page_begin(page, (pb_directory_kind)pb_page_kind(&old), pb_page_height(&old));
    pb_page_begin(right, (pb_directory_kind)pb_page_kind(&old), pb_page_height(&old));
    copy_records(page, &old, 0, i);
    copy_records(right, &old, i, records);
}

/* ---- check ---- */

static const char *
check_record(const pb_directory_page *page, uint32_t i, uint32_t *bytes)
{
    uint32_t at = get16(page->bytes + AT_PLACES + 2 * i);
    bool leaf = pb_page_kind(page) == PB_DIRECTORY_LEAF;
    if (at < get16(page->bytes + AT_LOW) ||
        at + (leaf ? LEAF_HEAD : INNER_HEAD) > PB_DIRECTORY_PAGE) {
        return "a record lies outside of its page";
    }
    uint32_t n = record_bytes(page, page->bytes + at);
    *bytes += n;
    if (at + n > PB_DIRECTORY_PAGE) {
        return "a record lies outside of its page";
    }
    if (i && pb_name_compare(pb_page_name(page, i - 1), pb_page_name(page, i)) >= 0) {
        return "names are out of order";
    }
    return NULL;
}

const char *
pb_page_check(const pb_directory_page *page)
{
    uint32_t records = pb_page_records(page), low = get16(page->bytes + AT_LOW), bytes = 0;
    const char *why = NULL;
    unsigned kind = pb_page_kind(page);
    if (kind != PB_DIRECTORY_LEAF && kind != PB_DIRECTORY_INNER) {
        return "a page is neither a leaf nor an inner one";
    }
    if ((kind == PB_DIRECTORY_LEAF) != (pb_page_height(page) == 0)) {
        return "the height of a page is not that of its kind";
    }
    if (low > PB_DIRECTORY_PAGE || AT_PLACES + 2 * records > low) {
        return "places and records of a page overlap";
    }
    for (uint32_t i = 0; i < records && !why; i++) {
        why = check_record(page, i, &bytes);
    }
    if (!why && low + get16(page->bytes + AT_GONE) + bytes != PB_DIRECTORY_PAGE) {
        why = "a page has lost bytes";
    }
    return why;
}
