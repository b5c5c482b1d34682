# Every target makes what it needs: .venv, the tools, the extension.  Needs Python and a C compiler.

PYTHON   ?= python3
# -Werror in CI; not by default, as a newer compiler may warn about more.
WERROR   ?=
# Further arguments for pytest: make test PYTEST="-k truncate -x", or PYTEST=-n0 for one process.
PYTEST   ?=
# Operations that make fuzz runs, over the three page sizes together.
FUZZ_OPS ?= 10000000
# How often powercut takes the power away.
CUTS     ?= 1000000

PY       := .venv/bin/python
# Modules are compiled when they are imported: to compile all that is installed takes half a minute.
PIP      := $(PY) -m pip install -qq --disable-pip-version-check --no-compile
TINY     := page64 page16
LEVELS   := level1 level2
JOBS     := $(shell nproc 2>/dev/null || echo 2)
# A worker more than processors: some tests wait, for a process, a socket or a disk.
WORKERS  := $(shell expr $(JOBS) + 1)
# pytest keeps the test modules that it has rewritten: to do so again is 15 s in each worker of each run.
unexport PYTHONDONTWRITEBYTECODE
NATIVE   := $(wildcard ext/*/*/*.c ext/*/*/*.h) setup.py
PACKAGE  := $(wildcard src/pagebuf/*.py src/pagebuf/*.pyi src/pagebuf/*/*.py) src/pagebuf/py.typed
C_FILES  := $(wildcard ext/*/*/*.[ch] tests/c/*.[ch] tests/c/*/*.[ch] tests/fuzz/*.[ch])
PY_FILES := $(wildcard setup.py src tests benchmarks tools examples)
STUBTEST := --ignore-unused-allowlist --allowlist tests/typing/stubtest_allowlist.txt --mypy-config-file pyproject.toml

.NOTPARALLEL:
.PHONY: help build quick tiny test test-c test-py $(TINY:%=test-%) $(LEVELS:%=test-%) test-portable test-more slow engines sanitize powercut fuzz lint lint-python \
        lint-c lint-types format arrows figures docs docs-check wheels compare compare-more bench instructions free-threaded scaling clean distclean

help:
	@echo "make quick     builds, and tries the extension for a few seconds; 20 s, or a minute at first"
	@echo "make test      C tests under sanitizers and Python tests, on 4096- and 16-byte pages"
	@echo "make test-more on 64-byte pages, at debug levels 1 and 2, and without what only Linux has"
	@echo "make compare   the comparison with ring buffers and growable buffers"
	@echo "make compare-more   the rows that it leaves out: more sizes, more rounds, memory"
	@echo "make figures   the figures and the picture of the documents, from the kept run of compare"
	@echo "make bench     the same cases under pytest-benchmark"
	@echo "make instructions   what the checks cost, counted under valgrind"
	@echo "make lint      ruff, clang-format, mypy, stubtest;  make format rewrites the files"
	@echo "make arrows    which folder of ext uses which, and what points the wrong way"
	@echo "make slow      tests that take minutes or gigabytes;  make sanitize  the extension under ASan"
	@echo "make engines   tests with Zarr, xarray and Dask, which it installs beside .venv"
	@echo "make powercut  a store on a disk that loses power: CUTS=$(CUTS) times"
	@echo "make fuzz      libFuzzer on the C core, which takes clang: FUZZ_OPS=$(FUZZ_OPS) operations"
	@echo "make free-threaded   Python tests and pairs of calls on an interpreter without a GIL: FT=..."
	@echo "make scaling    two threads against one on such an interpreter"
	@echo "make docs      the site;  make docs-check  its links, and its pages in a browser"
	@echo "make wheels    an sdist, and a wheel for each CPython that is here, checked and tried"
	@echo "make build     the extension, in place;  make clean / distclean  away with it / and with .venv"

# ---- environment ----------------------------------------------------------------------------

.venv/.stamps/venv:
	@$(PYTHON) tools/check_python.py
	@echo "== .venv ($$($(PYTHON) --version))"
	@$(PYTHON) -m venv .venv
	@$(PIP) --upgrade pip "setuptools>=77"
	@mkdir -p $(@D) && touch $@

# pip learnt --group in 25.1; the one in .venv is newer than that by now.
.venv/.stamps/test .venv/.stamps/lint .venv/.stamps/wheels .venv/.stamps/docs: .venv/.stamps/%: .venv/.stamps/venv pyproject.toml
	@echo "== tools for $*"
	@$(PIP) --group $*
	@touch $@

.venv/.stamps/compare: .venv/.stamps/venv pyproject.toml tools/install_peers.py
	@echo "== peers for the comparison"
	@$(PY) tools/install_peers.py
	@touch $@

# ---- builds ---------------------------------------------------------------------------------

build: build/stamps/normal
tiny: $(TINY:%=build/stamps/%)

build/stamps/normal: .venv/.stamps/venv pyproject.toml $(NATIVE)
	@echo "== extension"
	@PAGEBUF_CFLAGS="$(PAGEBUF_CFLAGS) $(WERROR)" $(PIP) --no-build-isolation --no-deps --editable .
	@mkdir -p $(@D) && touch $@

# The tiny builds are copies of the package, with assertions on.
build/stamps/page64: SHIFT := 6
build/stamps/page16: SHIFT := 4
$(TINY:%=build/stamps/%): build/stamps/%: .venv/.stamps/venv $(NATIVE) $(PACKAGE)
	@echo "== extension, $(@F)"
	@rm -rf build/$*/lib
	@PAGEBUF_PAGE_SHIFT=$(SHIFT) PAGEBUF_CFLAGS="-UNDEBUG $(WERROR)" $(PY) setup.py -q build \
	    --build-base build/$* --build-lib build/$*/lib
	@mkdir -p $(@D) && touch $@

# Without what only Linux has (docs/platforms.md).
build/stamps/portable: .venv/.stamps/venv $(NATIVE) $(PACKAGE)
	@echo "== extension, portable"
	@rm -rf build/portable/lib
	@PAGEBUF_PORTABLE=1 PAGEBUF_CFLAGS="$(WERROR)" $(PY) setup.py -q build \
	    --build-base build/portable --build-lib build/portable/lib
	@mkdir -p $(@D) && touch $@

# ---- tests ----------------------------------------------------------------------------------

# Where the tests are that must be alone in their process (tests/conftest.py sees to it): to collect
# all others takes longer than these run.
ALONE := $(wildcard tests/*/*_oom.py tests/*/*/*_oom.py)

# By some workers, then those that must be alone.  That a choice of tests leaves nothing for
# one of the two (status 5) is no failure.
define pytest
	@$(1) $(PY) -m pytest $(2) -n $(WORKERS) -m "not alone and not slow" $(PYTEST) || [ $$? = 5 ]
	@$(1) $(4) $(PY) -m pytest $(or $(3),$(ALONE)) -m alone $(PYTEST) || [ $$? = 5 ]
endef

# What neither the size of a page nor a debug level can change runs once, in test-py.
ONCE := tests/aio tests/clients tests/engines tests/house tests/conformance/test_streams.py tests/faces/test_aio.py tests/faces/test_chart_pictures.py \
        tests/faces/test_clients.py tests/faces/test_command_line.py tests/faces/test_demo.py \
        tests/faces/test_store_filesystem_as_fsspec_wants.py \
        tests/faces/test_who_copies.py tests/leaks tests/threads/test_fork.py tests/threads/test_pairs.py
# Level 2 does all that level 1 does, and more: level 1 alone runs what looks at pages, not at who calls.
test-level1: CHOICE := tests/core tests/model
test-level1: CHOICE_ALONE := $(filter tests/core/%,$(ALONE))
test-level2: CHOICE := tests $(ONCE:%=--ignore %) --ignore tests/conformance/test_replaced.py

# What is about to be done, and how long it takes on two idle cores.
SAY_quick   := .venv and the extension, where they are not there, then a smoke test; 10 s, or a minute at first
SAY_test    := C tests under sanitizers, then Python tests, on the largest and the smallest pages; 5 minutes
SAY_wheels  := an sdist and a wheel for each CPython here, checked, installed without a compiler and tried; 5 minutes
SAY_compare := pagebuf beside what people use, after its peers are installed; 6 minutes
say-%:
	@echo "== $*: $(SAY_$*)"

# The first thing to try.  No test tools, one build.
quick: say-quick build/stamps/normal
	@$(PY) -W error tools/smoke.py

# The largest and the smallest page; the one between, and the debug levels, are test-more.
SHIFTS ?= 12 6 4
test: SHIFTS := 12 4
test: say-test test-c test-py test-page16

# Each size of page and each debug level meets the whole suite once: 4096 bytes at 0 and 2, 64 at 1,
# 16 at 0.
test-more: SHIFTS := 6
test-more: test-c test-page64 test-level2 test-portable

test-c: .venv/.stamps/venv
	@echo "== C tests, shifts $(SHIFTS)"
	@$(MAKE) --no-print-directory -j$(JOBS) -f tests/c/Makefile PYTHON=$(PY) WERROR=$(WERROR) SHIFTS="$(SHIFTS)"

test-py: build/stamps/normal .venv/.stamps/test
	@echo "== Python tests"
	$(call pytest,PAGEBUF_EXPECT=4096 HYPOTHESIS_PROFILE=quick)

# Those that run out of memory count free frames, of which a debug pool keeps many back when they are tiny.
test-page16: LEVEL := 0
test-page64: LEVEL := 1
$(TINY:%=test-%): test-%: build/stamps/% .venv/.stamps/test
	@echo "== Python tests, $*, debug level $(LEVEL)"
	$(call pytest,PAGEBUF_EXPECT=$(*:page%=%) PAGEBUF_DEBUG=$(LEVEL) PYTHONPATH=build/$*/lib,tests $(ONCE:%=--ignore %),,PAGEBUF_DEBUG=0)

# The plain ways of other systems: the smoke test, and what uses them.
PORTABLE := tests/core/buffer/test_extend_append.py tests/core/buffer/test_map.py tests/core/buffer/test_read_write.py \
            tests/core/buffer/test_snapshot.py tests/core/range/test_search.py tests/faces/test_bytesio.py \
            tests/faces/test_queue_io.py

test-portable: build/stamps/portable .venv/.stamps/test
	@echo "== Python tests on the portable build"
	@PYTHONPATH=build/portable/lib $(PY) -W error tools/smoke.py
	@PYTHONPATH=build/portable/lib PAGEBUF_EXPECT=4096 HYPOTHESIS_PROFILE=quick $(PY) -m pytest $(PORTABLE) -n $(WORKERS) \
	    -m "not alone and not slow" $(PYTEST)

$(LEVELS:%=test-%): test-level%: build/stamps/normal .venv/.stamps/test
	@echo "== Python tests at debug level $*"
	$(call pytest,PAGEBUF_DEBUG=$* PAGEBUF_EXPECT=4096 HYPOTHESIS_PROFILE=quick,$(CHOICE),$(CHOICE_ALONE))

slow: build/stamps/normal .venv/.stamps/test engines
	@HYPOTHESIS_PROFILE=long $(PY) -m pytest -m slow -o faulthandler_timeout=3600 --timeout=3500 $(PYTEST)

# With what others build on: Zarr, xarray, Dask, in an environment of their own.  Their warnings
# are theirs.  The package is that of the build in place; its tests of the file system come along.
engines: build/stamps/normal build/stamps/engines
	@echo "== Python tests with engines"
	@PYTHONPATH=src build/engines/bin/python -m pytest tests/engines tests/clients/test_store_as_a_disk.py \
	    -m "" -W default -o asyncio_mode=auto -o asyncio_default_fixture_loop_scope=function $(PYTEST)

build/stamps/engines: .venv/.stamps/venv pyproject.toml
	@echo "== engines"
	@$(PY) -m venv build/engines
	@build/engines/bin/python -m pip install -qq --disable-pip-version-check --no-compile --upgrade pip
	@build/engines/bin/python -m pip install -qq --disable-pip-version-check --no-compile --group engines
	@mkdir -p $(@D) && touch $@

# The whole extension under ASan and UBSan.  The library has to be there before the interpreter is;
# leaks are not looked for, since CPython keeps memory until the end on purpose.  Tests look into
# free frames (which are out of bounds in the C tests) and at what a signal does; and they count
# memory, of which the sanitizers take their part.
sanitize: .venv/.stamps/test
	@echo "== Python tests under sanitizers"
	@rm -rf build/sanitize/lib
	@PAGEBUF_PAGE_SHIFT=6 PAGEBUF_CFLAGS="-UNDEBUG -O1 -g -fno-omit-frame-pointer \
	    -fsanitize=address,undefined -fno-sanitize-recover=all" $(PY) setup.py -q build \
	    --build-base build/sanitize --build-lib build/sanitize/lib
	@LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
	    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:allow_user_poisoning=0:handle_segv=0:handle_sigbus=0 PYTHONMALLOC=malloc PAGEBUF_EXPECT=64 HYPOTHESIS_PROFILE=quick \
	    PYTHONPATH=build/sanitize/lib $(PY) -m pytest tests --deselect tests/core/pool/test_memory.py $(PYTEST)

# Builds for itself, beside what is there.  FT=... names an interpreter, else one is looked for.
free-threaded:
	@tools/free_threaded.sh $(ARGS)

# Two threads against one, without a GIL.  FT=... as above; ARGS="--only 'one buffer'".
scaling:
	@tools/free_threaded.sh --scaling $(if $(ARGS),-- $(ARGS))

# A store on a disk that loses power, a million times; and every planted fault.
powercut: .venv/.stamps/venv
	@$(MAKE) --no-print-directory -f tests/c/Makefile PYTHON=$(PY) build/c/shift6/store/test_powercut
	@PB_CUTS=$(CUTS) PB_PLANT_CUTS=200000 build/c/shift6/store/test_powercut

# Not part of the tests: it takes clang, and some minutes.
fuzz:
	@$(MAKE) --no-print-directory -f tests/fuzz/Makefile FUZZ_OPS=$(FUZZ_OPS) WERROR=$(WERROR)

# ---- style ----------------------------------------------------------------------------------

# make -k lint goes on after the first that finds something.
lint: lint-python lint-c lint-types
	@echo "lint: clean"

lint-python: .venv/.stamps/lint
	@echo "== ruff"
	@$(PY) -m ruff check --quiet $(PY_FILES)
	@$(PY) -m ruff format --check --quiet $(PY_FILES)

lint-c: .venv/.stamps/lint
	@echo "== clang-format"
	@.venv/bin/clang-format --dry-run --Werror $(C_FILES)

lint-types: build/stamps/normal .venv/.stamps/lint
	@echo "== mypy, stubtest"
	@$(PY) -m mypy --no-error-summary
	@$(PY) -m mypy.stubtest $(STUBTEST) pagebuf

format: .venv/.stamps/lint
	@$(PY) -m ruff check --fix --quiet $(PY_FILES) || true
	@$(PY) -m ruff format --quiet $(PY_FILES)
	@.venv/bin/clang-format -i $(C_FILES)

arrows: .venv/.stamps/venv
	@$(PY) -m tools.arrows

# ---- benchmarks -----------------------------------------------------------------------------

compare: say-compare build/stamps/normal .venv/.stamps/compare
	@$(PY) -m benchmarks.compare

# Into README.md and docs, after a run was kept in benchmarks/results.
figures: .venv/.stamps/venv .venv/.stamps/test
	@$(PY) -m benchmarks.figures

# What `compare` leaves out: more sizes, more rounds, memory.
compare-more: build/stamps/normal .venv/.stamps/compare
	@$(PY) -m benchmarks.compare --more

# Timings have no deadline, and modules that are not cases are not imported.
BENCH := -o python_files='bench_*.py' -o addopts='--import-mode=importlib --strict-markers' \
         -o faulthandler_timeout=0 --timeout=0 --benchmark-only

bench: build/stamps/normal .venv/.stamps/test .venv/.stamps/compare
	@$(PY) -m pytest benchmarks $(BENCH) $(PYTEST)

# Builds for itself, beside what is there.  Compare with another build, or with recorded counts: make
# instructions AGAINST=DIR or FILE.  Record the counts: RECORD=FILE
instructions: .venv/.stamps/venv
	@$(PY) tools/count_instructions.py $(if $(AGAINST),--against $(AGAINST)) \
	    $(if $(RECORD),--record $(RECORD))

# ---- documentation --------------------------------------------------------------------------

# The site, into build/site.  A warning is an error.  The API pages are made from the built package.
docs: build/stamps/normal .venv/.stamps/docs
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet
	@echo "docs: build/site/index.html"

# Links, and each page in a headless Chromium, where there is one.  SHOTS=DIR keeps pictures.
docs-check: docs
	@$(PY) -m tools.site.check $(if $(SHOTS),--shots $(SHOTS))

# ---- release --------------------------------------------------------------------------------

# For the interpreters that are here, into dist.  Nothing is uploaded: docs/releasing.md.
wheels: say-wheels .venv/.stamps/wheels
	@tools/build_wheels.sh $(PY)

# ---- away -----------------------------------------------------------------------------------

clean:
	@rm -rf build dist src/pagebuf.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@rm -f src/pagebuf/_core*.so
	@find src tests benchmarks tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean
	@rm -rf .venv
