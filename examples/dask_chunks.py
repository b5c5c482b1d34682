"""Count something in a large buffer on the workers of a Dask cluster, chunk by chunk.

python examples/dask_chunks.py [MiB]
"""

from __future__ import annotations

import sys
import time
from typing import Any

from pagebuf import PageBuffer


def count_in(chunk: PageBuffer, sought: bytes) -> int:
    """What each task does.  It shares its chunk with others of its worker, so it only reads."""
    return chunk.count(sought)


def count(client: Any, buf: PageBuffer, sought: bytes, chunk: int = 64 << 20) -> int:
    """Send snapshots of parts, which share the pages of the buffer, and add up what comes back."""
    futures = []
    for start in range(0, len(buf), chunk):
        part = PageBuffer(pool=buf.pool)
        part.copy_range(0, buf, start, min(chunk, len(buf) - start))
        sent = client.scatter(part.snapshot(), direct=True, hash=False)
        futures.append(client.submit(count_in, sent, sought, pure=False))
    return sum(client.gather(futures))


def main(mebibytes: int = 2048) -> None:
    """Fill a buffer, count its lines on two workers, and then here."""
    import distributed

    buf = PageBuffer()
    line = b"a line of text, and another one\n" * (1 << 15)
    for _ in range(mebibytes):
        buf.extend(line)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        start = time.perf_counter()
        found = count(client, buf, b"\n")
        seconds = time.perf_counter() - start
        print(f"{found} lines in {mebibytes} MiB, {seconds:.2f} s on 2 workers")
        start = time.perf_counter()
        assert found == buf.count(b"\n")
        print(f"{time.perf_counter() - start:.2f} s here")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
