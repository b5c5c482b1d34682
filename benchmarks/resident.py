"""What this process holds in memory, as the kernel counts it.

Imports nothing: what it imported would be in the figures of a whole process.
"""

KIB = 1024


def rollup() -> dict[str, int]:
    """Bytes of `/proc/self/smaps_rollup`, by name."""
    pairs = (line.split() for line in _lines("smaps_rollup")[1:])
    return {pair[0].rstrip(":"): int(pair[1]) * KIB for pair in pairs}


def resident() -> int:
    """Resident bytes of this process."""
    return rollup()["Rss"]


def reset_peak() -> None:
    """Makes the next `peak` count from now."""
    with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123 - pathlib is half a megabyte
        file.write("5")


def peak() -> int:
    """The most that was resident since `reset_peak`."""
    line = next(line for line in _lines("status") if line.startswith("VmHWM"))
    return int(line.split()[1]) * KIB


def _lines(name: str) -> list[str]:
    with open(f"/proc/self/{name}") as file:  # noqa: PTH123
        return file.read().splitlines()
