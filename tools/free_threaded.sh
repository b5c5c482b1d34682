#!/usr/bin/env bash
# Tests everything on an interpreter without a GIL:
#
#   tools/free_threaded.sh [--tiny] [--pairs N] [--seed N]
#   tools/free_threaded.sh --scaling [-- ARGUMENTS of benchmarks/free_threaded.py]
#
# Builds the extension with warnings as errors, runs all Python tests with the GIL off (with --tiny also on
# tiny pages), and then N pairs of calls (200).  A seed chooses the pairs, another one each time.
#
# FT=... names the interpreter.  Without it the script takes the first python3.14t or later on PATH or in pyenv.
# If the interpreter was built with ThreadSanitizer, the script builds the whole extension with it, too, and
# runs only the pairs and scenarios of tests/threads.  It suppresses no report about the extension.
#
# --scaling builds, and has benchmarks/free_threaded.py time two threads against one instead.
#
# Status 3: there is no such interpreter.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
exec </dev/null

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
unset PYTHONDONTWRITEBYTECODE # see Makefile
HERE=build/free-threaded
JOBS=$(nproc 2>/dev/null || echo 2)
TINY= SCALING= PAIRS=200 SEED=$((RANDOM))

while [ $# -gt 0 ]; do
    case $1 in
    --tiny) TINY="6 4" ;;
    --pairs) PAIRS=$2 && shift ;;
    --seed) SEED=$2 && shift ;;
    --scaling) SCALING=1 ;;
    --) shift && break ;;
    *) echo "usage: $0 [--tiny] [--pairs N] [--seed N] | --scaling [-- ARGUMENTS]" >&2 && exit 2 ;;
    esac
    shift
done

say() { printf '\n== %s\n' "$*"; }

# ---- the interpreter ----

candidates() {
    if [ -n "${FT:-}" ]; then
        echo "$FT"
        return
    fi
    for minor in 14 15 16 17; do
        type -aP "python3.${minor}t" || true
        if command -v pyenv >/dev/null; then
            for bin in "$(pyenv root)/versions/3.$minor"*/bin/python3."$minor"t; do echo "$bin"; done | sort -rV
        fi
    done
}

# The first interpreter that starts, has no GIL, and can build the extension.
find_python() {
    local bin
    while read -r bin; do
        if "$bin" -c 'import sysconfig, sys; sys.exit(not sysconfig.get_config_var("Py_GIL_DISABLED"))' 2>/dev/null &&
            "$bin" tools/check_python.py 2>/dev/null; then
            echo "$bin"
            return
        fi
    done < <(candidates)
}

python=$(find_python)
if [ -z "$python" ]; then
    echo "no CPython 3.14 or later without a GIL that can build an extension was found" >&2
    exit 3
fi
sanitized=$("$python" -c 'import sysconfig; print("-fsanitize=thread" if "thread-sanitizer" in (sysconfig.get_config_var("CONFIG_ARGS") or "") else "")')

# Known reports about CPython itself; the file comes with its sources.
known=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("srcdir"))')/Tools/tsan/suppressions_free_threading.txt
if [ -n "$sanitized" ] && [ -f "$known" ]; then
    export TSAN_OPTIONS="suppressions=$known halt_on_error=0 exitcode=66 ${TSAN_OPTIONS:-}"
fi

# ---- environment ----

# Install each package separately, from wheels only: some have none for such an interpreter yet, or one that
# does not load.  Under the sanitizer install only what the tests of threads need, because the sanitizer
# reports wrongly about code that it has not compiled.
install() {
    local package
    "$py" -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["test"], sep="\n")' |
        grep -E "${sanitized:+^(pytest|hypothesis)}" |
        while read -r package; do
            if ! "$py" -m pip install -qq --only-binary :all: "$package" >>"$HERE/pip.log" 2>&1; then
                echo "   $package: no wheel here, left out; tests that need it are skipped"
            elif ! "$py" -c "$LOADS" "$package" 2>>"$HERE/pip.log"; then
                "$py" -m pip uninstall -qq -y "${package%%[<>=~! ]*}"
                echo "   $package: does not load here, left out; tests that need it are skipped"
            fi
        done
}

LOADS='
import importlib, re, sys
from importlib.metadata import packages_distributions
name = re.match("[-\\w]+", sys.argv[1])[0]
for module, sources in packages_distributions().items():
    if name in sources and not module.startswith("_"):
        importlib.import_module(module)'

venv=$HERE/venv${sanitized:+-tsan} py=$HERE/venv${sanitized:+-tsan}/bin/python
say "$("$python" -VV)${sanitized:+, ThreadSanitizer}"
mkdir -p "$HERE"
if ! [ "$venv/pyvenv.cfg" -nt pyproject.toml ] || ! [ "$(cat "$venv/of" 2>/dev/null)" = "$python" ]; then
    "$python" -m venv --clear "$venv"
    "$py" -m pip install -qq --only-binary :all: "setuptools>=77" >"$HERE/pip.log" 2>&1
    install
    echo "$python" >"$venv/of"
fi

# build SHIFT FLAGS: builds into a new folder and prints its name.
build() {
    local to=$HERE/page$1${sanitized:+-tsan}
    rm -rf "$to/lib"
    PAGEBUF_PAGE_SHIFT=$1 PAGEBUF_CFLAGS="-Werror $2" "$py" setup.py -q build \
        --build-base "$to" --build-lib "$to/lib" >&2
    echo "$to/lib"
}

# The module itself must declare that it needs no GIL.
check_gil() {
    env -u PYTHON_GIL PYTHONPATH="$1" "$py" -W error -c '
import sys, pagebuf
assert not sys._is_gil_enabled(), "importing pagebuf has switched the GIL on"'
}

# tests LIB ARGUMENTS...
tests() {
    local lib=$1 && shift
    PYTHON_GIL=0 PYTHONPATH=$lib HYPOTHESIS_PROFILE=${HYPOTHESIS_PROFILE:-quick} "$py" -m pytest "$@"
}

pairs() {
    say "$PAIRS pairs of calls, seed $SEED"
    PAGEBUF_PAIRS=$PAIRS:$SEED tests "$1" tests/threads/test_pairs.py tests/threads/test_parts.py -q
}

# ---- what runs ----

if [ -n "$SCALING" ]; then
    lib=$(build 12 "")
    check_gil "$lib"
    PYTHONPATH=$lib exec "$py" -m benchmarks.free_threaded "$@"
fi

if [ -n "$sanitized" ]; then
    lib=$(build 12 "$sanitized -g -O1")
    check_gil "$lib"
    say "scenarios of threads, under ThreadSanitizer"
    tests "$lib" tests/threads -q --timeout=1200 -o faulthandler_timeout=1300 \
        --ignore=tests/threads/test_pairs.py --ignore=tests/threads/test_parts.py
    pairs "$lib"
    exit
fi

lib=$(build 12 "")
check_gil "$lib"
say "Python tests, GIL off"
whole=(tests "$lib/pagebuf" README.md docs) # doctests of the build, not of src
PAGEBUF_EXPECT=4096 tests "$lib" "${whole[@]}" -n "$JOBS" -m "not alone and not slow"
PAGEBUF_EXPECT=4096 tests "$lib" "${whole[@]}" -m alone
pairs "$lib"
for shift in $TINY; do
    say "Python tests, GIL off, pages of $((1 << shift)) bytes"
    lib=$(build "$shift" -UNDEBUG)
    PAGEBUF_EXPECT=$((1 << shift)) tests "$lib" tests --ignore tests/house -n "$JOBS" -m "not alone and not slow"
    PAGEBUF_EXPECT=$((1 << shift)) tests "$lib" tests -m alone
done
