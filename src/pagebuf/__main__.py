"""``python -m pagebuf``."""

from pagebuf._command_line.main import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
