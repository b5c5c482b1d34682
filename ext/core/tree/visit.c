/* tree/visit.c: every entry of a tree, from the root down. */
#include "tree/visit.h"

typedef struct {
    const pb_pool *pool;
    pb_visitor visit;
    void *arg;
} visiting;

static bool
visit_entry(const visiting *v, pb_entry e, unsigned h, uint64_t page, bool shared)
{
    pb_place at = {.entry = e, .frame = pb_entry_frame(e), .h = h, .page = page};
    at.good = pb_frame_readable(v->pool, at.frame);
    at.zone = !at.good && pb_zone_has_entry(v->pool, e, h);
    at.count = at.good ? pb_frame_count(v->pool, at.frame) : 0;
    at.shared = shared || at.zone || at.count > 1;
    pb_visit next = v->visit(v->arg, &at);
    if (next != PB_VISIT_BELOW || h == 0 || !at.good) {
        return next != PB_VISIT_END;
    }
    const pb_entry *node = pb_node_of(v->pool, e);
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        pb_entry child = pb_entry_load(&node[i]);
        uint64_t first = page + ((uint64_t)i << pb_span_bits(h - 1));
        if (child != PB_HOLE && !visit_entry(v, child, h - 1, first, at.shared)) {
            return false;
        }
    }
    return true;
}

bool
pb_tree_visit(const pb_pool *pool, const pb_root *root, pb_visitor visit, void *arg)
{
    visiting v = {pool, visit, arg};
    unsigned h = root->levels - 1u;
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        pb_entry e = pb_entry_load(&root->slot[i]);
        uint64_t page = (uint64_t)i << pb_span_bits(h);
        if (e != PB_HOLE && !visit_entry(&v, e, h, page, false)) {
            return false;
        }
    }
    return true;
}
