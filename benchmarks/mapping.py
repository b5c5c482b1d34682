"""Makes the anonymous mappings of several participants."""

import mmap

PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
# mmap has this name since Python 3.13.
NORESERVE: int = getattr(mmap, "MAP_NORESERVE", 0x4000)


def reserved(size: int) -> mmap.mmap:
    """Reserve addresses for `size` bytes; the kernel commits pages when they are touched."""
    return mmap.mmap(-1, size, flags=PRIVATE | NORESERVE)
