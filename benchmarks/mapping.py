"""Anonymous mappings, as several participants make them."""

import mmap

PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
# Python has a name for it since 3.13.
NORESERVE: int = getattr(mmap, "MAP_NORESERVE", 0x4000)


def reserved(size: int) -> mmap.mmap:
    """Addresses for `size` bytes; the kernel commits what is touched."""
    return mmap.mmap(-1, size, flags=PRIVATE | NORESERVE)
