/* pool/segv.h: whose memory it was when a stray access stops the process (level 2, sampling).
 *
 * Guard pages stop a foreign store at the very instruction; the signal says only an address.
 * The handler prints whose that is, then goes on to whoever was there before: faulthandler, or
 * the end of the process. */
#ifndef PAGEBUF_POOL_SEGV_H
#define PAGEBUF_POOL_SEGV_H

#include "base/state.h"

/* Have the handler know the pools in a map, from now until segv_forget.  Installs it. */
void
segv_watch(pb_map *map);
void
segv_forget(pb_map *map);

#endif
