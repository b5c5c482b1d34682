"""The commands of ``python -m pagebuf``."""
