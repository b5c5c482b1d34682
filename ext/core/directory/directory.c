/* directory/directory.c: names in order. */
#include "directory/directory.h"

/* ---- pages ---- */

typedef struct {
    uint32_t number;
    pb_directory_page page;
} image;

static uint64_t
offset_of(uint32_t number)
{
    return (uint64_t)number * PB_DIRECTORY_PAGE;
}

/* Read a page that is `height` above the leaves.  PB_CORRUPT if it is not. */
static pb_status
read_page(const pb_directory *d, uint32_t number, uint32_t height, image *to)
{
    to->number = number;
    if (number == 0 || number >= d->pages ||
        offset_of(number) + PB_DIRECTORY_PAGE > d->bytes->root.size) {
        return PB_CORRUPT;
    }
    (void)pb_buf_copy_out(d->bytes, offset_of(number), to->page.bytes, PB_DIRECTORY_PAGE);
    return pb_page_check(&to->page) || pb_page_height(&to->page) != height ? PB_CORRUPT
                                                                           : PB_OK;
}

/* Have the memory for a page, so that it can be written whatever comes. */
static pb_status
prepare_page(pb_directory *d, uint32_t number)
{
    return pb_buf_prepare_kept(d->bytes, offset_of(number), PB_DIRECTORY_PAGE);
}

static void
write_page(pb_directory *d, const image *page)
{
    pb_buf_copy_in(d->bytes, offset_of(page->number), page->page.bytes, PB_DIRECTORY_PAGE);
}

/* Write pages, all or none. */
static pb_status
write_pages(pb_directory *d, const image *const *images, unsigned n)
{
    pb_status st = PB_OK;
    for (unsigned i = 0; i < n && st == PB_OK; i++) {
        st = prepare_page(d, images[i]->number);
    }
    for (unsigned i = 0; i < n && st == PB_OK; i++) {
        write_page(d, images[i]);
    }
    pb_buf_write_end(d->bytes);
    return st;
}

/* What the header says after a new page is in use. */
static pb_status
choose_page(const pb_directory *d, pb_directory *then, uint32_t *number)
{
    *then = *d;
    if (d->free == 0) {
        *number = then->pages++;
        return PB_OK;
    }
    image first;
    *number = d->free;
    if (*number >= d->pages) {
        return PB_CORRUPT;
    }
    (void)pb_buf_copy_out(d->bytes, offset_of(*number), first.page.bytes,
                          PB_DIRECTORY_PAGE);
    then->free = pb_page_next_free(&first.page);
    return pb_page_kind(&first.page) == PB_DIRECTORY_FREE ? PB_OK : PB_CORRUPT;
}

static void
free_page(pb_directory *then, image *page)
{
    pb_page_begin(&page->page, PB_DIRECTORY_FREE, 0);
    pb_page_set_next_free(&page->page, then->free);
    then->free = page->number;
}

void
pb_directory_begin(pb_directory *d, pb_buf *bytes)
{
    *d = (pb_directory){.bytes = bytes, .pages = 1};
}

/* ---- the way down ---- */

/* The record of an inner page that leads to a name. */
static uint32_t
way_to(const pb_directory_page *page, pb_name name)
{
    bool found;
    uint32_t i = pb_page_search(page, name, &found);
    return found || i == 0 ? i : i - 1;
}

static pb_status
go_to_leaf(const pb_directory *d, pb_name name, image *page)
{
    pb_status st = read_page(d, d->root, d->height, page);
    for (uint32_t h = d->height; h > 0 && st == PB_OK; h--) {
        if (pb_page_records(&page->page) == 0) {
            return PB_CORRUPT;
        }
        st = read_page(d, pb_page_child(&page->page, way_to(&page->page, name)), h - 1,
                       page);
    }
    return st;
}

pb_status
pb_directory_find(const pb_directory *d, pb_name name, uint8_t *value, uint32_t *size,
                  uint8_t *kind, bool *found)
{
    image leaf;
    *found = false;
    pb_status st = d->root ? go_to_leaf(d, name, &leaf) : PB_OK;
    if (d->root == 0 || st != PB_OK) {
        return st;
    }
    uint32_t i = pb_page_search(&leaf.page, name, found);
    if (*found) {
        const uint8_t *at = pb_page_value(&leaf.page, i, size, kind);
        if (*size > PB_VALUE_MOST) {
            return PB_CORRUPT;
        }
        memcpy(value, at, *size);
    }
    return PB_OK;
}

/* ---- put ---- */

/* The first page, or a root above one that is full. */
static pb_status
new_root(pb_directory *d)
{
    pb_directory then;
    image root;
    pb_status st = choose_page(d, &then, &root.number);
    then.height = d->root ? d->height + 1 : 0;
    then.root = root.number;
    pb_page_begin(&root.page, d->root ? PB_DIRECTORY_INNER : PB_DIRECTORY_LEAF,
                  then.height);
    if (d->root) {
        pb_page_insert_inner(&root.page, 0, (pb_name){NULL, 0}, d->root);
    }
    if (st == PB_OK) {
        const image *images[] = {&root};
        st = then.height < PB_DIRECTORY_HEIGHT ? write_pages(d, images, 1) : PB_CAPACITY;
    }
    if (st == PB_OK) {
        *d = then;
    }
    return st;
}

/* Split the child at record i of a page that has room for one more record. */
static pb_status
split_child(pb_directory *d, image *parent, uint32_t i, image *child)
{
    pb_directory then;
    image right;
    pb_status st = choose_page(d, &then, &right.number);
    if (st != PB_OK) {
        return st;
    }
    pb_page_split(&child->page, &right.page);
    pb_page_insert_inner(&parent->page, i + 1, pb_page_name(&right.page, 0), right.number);
    if (pb_page_kind(&right.page) ==
        PB_DIRECTORY_INNER) { /* its first name is not needed */
        uint32_t first = pb_page_child(&right.page, 0);
        pb_page_remove(&right.page, 0);
        pb_page_insert_inner(&right.page, 0, (pb_name){NULL, 0}, first);
    }
    const image *images[] = {parent, child, &right};
    st = write_pages(d, images, 3);
    if (st == PB_OK) {
        *d = then;
    }
    return st;
}

static bool
has_room(const pb_directory_page *page, uint32_t record)
{
    bool leaf = pb_page_kind(page) == PB_DIRECTORY_LEAF;
    return pb_page_room(page) >= (leaf ? record : pb_inner_record_bytes(PB_NAME_MOST));
}

/* Split what is full on the way down; *again: something was, so begin again. */
static pb_status
make_way(pb_directory *d, pb_name name, uint32_t record, image *leaf, bool *again)
{
    image parent;
    *again = false;
    pb_status st = d->root ? read_page(d, d->root, d->height, leaf) : PB_OK;
    if (st == PB_OK && (d->root == 0 || !has_room(&leaf->page, record))) {
        *again = true;
        st = new_root(d);
        if (st != PB_OK || d->height == 0) {
            return st;
        }
        st = read_page(d, d->root, d->height, leaf);
    }
    for (uint32_t h = d->height; h > 0 && st == PB_OK; h--) {
        parent = *leaf;
        if (pb_page_records(&parent.page) == 0) {
            return PB_CORRUPT;
        }
        uint32_t i = way_to(&parent.page, name);
        st = read_page(d, pb_page_child(&parent.page, i), h - 1, leaf);
        if (st == PB_OK && !has_room(&leaf->page, record)) {
            *again = true;
            return split_child(d, &parent, i, leaf);
        }
    }
    return st;
}

pb_status
pb_directory_put(pb_directory *d, pb_name name, uint8_t kind, const uint8_t *value,
                 uint32_t size)
{
    image leaf;
    bool found, again;
    pb_status st;
    if (name.n == 0 || name.n > PB_NAME_MOST || size > PB_VALUE_MOST) {
        return PB_RANGE;
    }
    do {
        st = make_way(d, name, pb_leaf_record_bytes(name.n, size), &leaf, &again);
    } while (st == PB_OK && again);
    if (st != PB_OK) {
        return st;
    }
    uint32_t i = pb_page_search(&leaf.page, name, &found);
    if (found) {
        pb_page_remove(&leaf.page, i);
    }
    pb_page_insert_leaf(&leaf.page, i, name, kind, value, size);
    const image *images[] = {&leaf};
    st = write_pages(d, images, 1);
    d->names += st == PB_OK && !found;
    return st;
}

/* ---- remove ---- */

/* A root that leads to one page only gives its place to that page. */
static pb_status
lower(pb_directory *d)
{
    image root;
    pb_status st = PB_OK;
    while (st == PB_OK && d->height > 0) {
        st = read_page(d, d->root, d->height, &root);
        if (st != PB_OK || pb_page_records(&root.page) != 1) {
            return st;
        }
        pb_directory then = *d;
        then.root = pb_page_child(&root.page, 0);
        then.height--;
        free_page(&then, &root);
        const image *images[] = {&root};
        st = write_pages(d, images, 1);
        *d = st == PB_OK ? then : *d;
    }
    return st;
}

/* The way to a leaf: pages by height, and the lowest one that leads elsewhere, too. */
typedef struct {
    uint32_t number[PB_DIRECTORY_HEIGHT];
    image fork;
    uint32_t at;     /* the record of `fork` that the way takes */
    uint32_t height; /* of it; above that of the root: there is none */
} way;

static pb_status
walk_to_leaf(const pb_directory *d, pb_name name, way *w, image *page)
{
    w->height = d->height + 1;
    pb_status st = read_page(d, d->root, d->height, page);
    for (uint32_t h = d->height; h > 0 && st == PB_OK; h--) {
        uint32_t i = way_to(&page->page, name), records = pb_page_records(&page->page);
        if (records == 0) {
            return PB_CORRUPT;
        }
        w->number[h] = page->number;
        if (records > 1) {
            w->fork = *page;
            w->at = i;
            w->height = h;
        }
        st = read_page(d, pb_page_child(&page->page, i), h - 1, page);
    }
    w->number[0] = page->number;
    return st;
}

/* A leaf has lost its last record: it goes, and all pages that lead to nothing else. */
static pb_status
remove_way(pb_directory *d, way *w)
{
    pb_directory then = *d;
    bool forks = w->height <= d->height;
    image page;
    pb_status st = forks ? prepare_page(d, w->fork.number) : PB_OK;
    for (uint32_t h = 0; h < w->height && st == PB_OK; h++) {
        st = prepare_page(d, w->number[h]);
    }
    if (st != PB_OK) {
        return st;
    }
    for (uint32_t h = 0; h < w->height; h++) {
        page.number = w->number[h];
        free_page(&then, &page);
        write_page(d, &page);
    }
    if (forks) {
        pb_page_remove(&w->fork.page, w->at);
        if (w->at == 0) { /* the next one is the first now, and has no name */
            uint32_t first = pb_page_child(&w->fork.page, 0);
            pb_page_remove(&w->fork.page, 0);
            pb_page_insert_inner(&w->fork.page, 0, (pb_name){NULL, 0}, first);
        }
        write_page(d, &w->fork);
    }
    else {
        then.root = then.height = 0;
    }
    *d = then;
    return PB_OK;
}

pb_status
pb_directory_remove(pb_directory *d, pb_name name, bool *found)
{
    way w;
    image leaf;
    *found = false;
    pb_status st = d->root ? walk_to_leaf(d, name, &w, &leaf) : PB_OK;
    uint32_t i = d->root && st == PB_OK ? pb_page_search(&leaf.page, name, found) : 0;
    if (!*found) {
        return st;
    }
    pb_page_remove(&leaf.page, i);
    const image *images[] = {&leaf};
    st = pb_page_records(&leaf.page) ? write_pages(d, images, 1) : remove_way(d, &w);
    pb_buf_write_end(d->bytes);
    if (st == PB_OK) {
        d->names--;
        (void)lower(d); /* what it cannot do now it does the next time */
    }
    return st;
}

/* ---- in order ---- */

/* The first name above `name` below a page; *n = 0: there is none. */
static pb_status
next_below(const pb_directory *d, uint32_t number, uint32_t h, pb_name name, uint8_t *next,
           uint32_t *n)
{
    image page;
    bool found;
    pb_status st = read_page(d, number, h, &page);
    *n = 0;
    if (st != PB_OK) {
        return st;
    }
    uint32_t records = pb_page_records(&page.page);
    if (h == 0) {
        uint32_t i = pb_page_search(&page.page, name, &found) + found;
        if (i < records) {
            pb_name at = pb_page_name(&page.page, i);
            *n = at.n;
            memcpy(next, at.bytes, at.n);
        }
        return PB_OK;
    }
    for (uint32_t i = records ? way_to(&page.page, name) : 0; i < records && *n == 0; i++) {
        st = next_below(d, pb_page_child(&page.page, i), h - 1, name, next, n);
        if (st != PB_OK) {
            return st;
        }
    }
    return PB_OK;
}

pb_status
pb_directory_next(const pb_directory *d, pb_name name, uint8_t *next, uint32_t *n)
{
    *n = 0;
    return d->root ? next_below(d, d->root, d->height, name, next, n) : PB_OK;
}

/* ---- check ---- */

typedef struct {
    const pb_directory *d;
    uint64_t names, pages;
    const char *why;
} checking;

static void
check_page(checking *c, uint32_t number, uint32_t h, pb_name least, pb_name past)
{
    image page;
    if (read_page(c->d, number, h, &page) != PB_OK || c->pages++ >= c->d->pages) {
        c->why = "a page of the directory is not what leads to it says";
        return;
    }
    uint32_t records = pb_page_records(&page.page);
    c->names += h ? 0 : records;
    if (h && (records == 0 || pb_page_name(&page.page, 0).n)) {
        c->why = "an inner page does not begin with an empty name";
    }
    for (uint32_t i = 0; i < records && !c->why; i++) {
        pb_name name = pb_page_name(&page.page, i);
        bool first = h && i == 0;
        if (!first && (pb_name_compare(name, least) < 0 ||
                       (past.n && pb_name_compare(name, past) >= 0))) {
            c->why = "a name lies in the wrong page";
        }
        else if (h) {
            pb_name to = i + 1 < records ? pb_page_name(&page.page, i + 1) : past;
            check_page(c, pb_page_child(&page.page, i), h - 1, first ? least : name, to);
        }
    }
}

const char *
pb_directory_check(const pb_directory *d)
{
    checking c = {.d = d};
    image page;
    if (d->root) {
        check_page(&c, d->root, d->height, (pb_name){NULL, 0}, (pb_name){NULL, 0});
    }
    for (uint32_t f = d->free; f && !c.why; f = pb_page_next_free(&page.page)) {
        bool there = f < d->pages && c.pages++ < d->pages;
        if (there) {
            (void)pb_buf_copy_out(d->bytes, offset_of(f), page.page.bytes,
                                  PB_DIRECTORY_PAGE);
        }
        if (!there || pb_page_kind(&page.page) != PB_DIRECTORY_FREE) {
            c.why = "the list of free pages leads to one that is not free";
        }
    }
    if (!c.why && c.names != d->names) {
        c.why = "the directory counts other names than it has";
    }
    if (!c.why && c.pages + 1 != d->pages) {
        c.why = "a page of the directory is lost";
    }
    return c.why;
}
