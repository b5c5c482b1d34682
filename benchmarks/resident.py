"""The memory of this process, as the kernel counts it.

Imports nothing, because an import would add to the memory of the whole process.
"""

KIB = 1024


def rollup() -> dict[str, int]:
    """The figures of `/proc/self/smaps_rollup` in bytes, by name."""
    pairs = (line.split() for line in _lines("smaps_rollup")[1:])
    return {pair[0].rstrip(":"): int(pair[1]) * KIB for pair in pairs}


def resident() -> int:
    """Resident bytes of this process."""
    return rollup()["Rss"]


def reset_peak() -> None:
    """Make the next `peak` count from now on."""
    with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123 - pathlib is half a megabyte
        file.write("5")


def peak() -> int:
    """The most resident bytes since `reset_peak`."""
    line = next(line for line in _lines("status") if line.startswith("VmHWM"))
    return int(line.split()[1]) * KIB


def _lines(name: str) -> list[str]:
    with open(f"/proc/self/{name}") as file:  # noqa: PTH123
        return file.read().splitlines()
