/* pool/segv.h: says whose memory a stray access hit (level 2, sampling).
 *
 * Guard pages stop a foreign store at the very instruction, with a signal that has only
 * an address.  The handler prints one line about that address.  Then it calls the handler
 * before it, which may be faulthandler, or lets the process end. */
#ifndef PAGEBUF_POOL_SEGV_H
#define PAGEBUF_POOL_SEGV_H

#include "base/state.h"

/* Let the handler look into a map until segv_forget.  The first call installs the
 * handler. */
void
segv_watch(pb_map *map);
void
segv_forget(pb_map *map);

#endif
