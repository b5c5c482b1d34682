"""pagebuf beside ring buffers and growable buffers: `python -m benchmarks.compare`."""
