"""Says why the interpreter that runs this cannot build pagebuf; prints nothing if it can.

The syntax is one that old interpreters parse, so that they get the message, too.
"""

import os
import sys
import sysconfig


def problem():
    """One sentence, or None."""
    if sys.version_info < (3, 11) or sys.implementation.name != "cpython":
        return "CPython 3.11 or later is needed"
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        return "module %s is missing (Debian and Ubuntu: package python3-venv)" % error.name
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        return "Python.h is missing (Debian and Ubuntu: package python3-dev)"
    return None


if __name__ == "__main__":
    reason = problem()
    if reason:
        sys.exit("%s (Python %s): %s" % (sys.executable, sys.version.split()[0], reason))
