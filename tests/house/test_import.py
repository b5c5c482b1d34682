"""`import pagebuf` is cheap: it leaves large modules to those who need them."""

from tests.support import run_script

LARGE = {"typing", "re", "enum", "struct", "pickle", "threading", "asyncio", "numpy", "matplotlib"}


def test_what_import_does_not_import() -> None:
    """Beside what the interpreter has imported when it starts, for example for a .pth file."""
    run_script(
        f"""
        import sys
        before = set(sys.modules)
        import pagebuf
        assert not {LARGE} & (set(sys.modules) - before), sorted(set(sys.modules) - before)
        """
    )
