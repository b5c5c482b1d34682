"""`tools.arrows` on small trees of files: the uses it counts, and the faults it finds."""

from pathlib import Path
from textwrap import dedent

import pytest

from tools.arrows import faults, load, table
from tools.c_names import read
from tools.circles import circles
from tools.py_imports import import_circles, imports

BASE = {"core/base/config.h": "typedef unsigned pb_frame;\n"}


@pytest.fixture
def ext(tmp_path):
    """A function that writes files from their texts, and loads the tree."""

    def make(files):
        _write(tmp_path, files)
        return load(tmp_path)

    return make


def _write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))


def arrows(tree):
    return [str(arrow) for arrow in tree.arrows()]


# ---- arrows and what breaks their order ----


def test_an_arrow_down_is_counted_and_no_fault(ext):
    tree = ext(
        {**BASE, "core/pool/pool.c": '#include "base/config.h"\npb_frame a(pb_frame f) {}\n'}
    )
    assert arrows(tree) == 2 * ["core/pool/pool.c:2 pb_frame -> core/base/config.h"]
    assert faults(tree) == []
    assert [line.split() for line in table(tree).splitlines()] == [
        ["core", "uses", "core", "files", "base", "pool"],
        ["base", "1", "-"],
        ["pool", "1", "2", "-"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "pb_root *f(void) {}",
        "int f(pb_root *r) {}",
        "int f(void) { return sizeof(pb_root); }",
        "int f(void) { pb_root r; }",
        "static pb_root a, b;",
        "typedef pb_root other;",
        "struct other { pb_root *root; };",
        "struct other { int n[sizeof(pb_root)]; };",
        "#define OTHER(x) ((pb_root *)(x))",
        "_Static_assert(sizeof(pb_root) == 8, text);",
        "int n = offsetof(pb_root, size);",
    ],
)
def test_a_use_that_points_up_is_a_fault_wherever_it_stands(ext, text):
    tree = ext({"core/tree/root.h": "typedef int pb_root;\n", "core/pool/pool.h": text})
    assert faults(tree) == ["points up: core/pool/pool.h:1 pb_root -> core/tree/root.h"]


@pytest.mark.parametrize(
    ("definition", "use", "name"),
    [
        ("void late(void) {}", "void f(void) { late(); }", "late"),
        ("int late;", "int f(void) { return late; }", "late"),
        ("struct late { int x; };", "void f(struct late *x) {}", "struct late"),
    ],
)
def test_what_a_c_file_defines_for_all_has_its_folder(ext, definition, use, name):
    tree = ext({"core/tree/a.c": definition, "core/pool/b.c": use})
    assert faults(tree) == [f"points up: core/pool/b.c:1 {name} -> core/tree/a.c"]


@pytest.mark.parametrize(
    "definition",
    [
        "static inline int late(void) {}",
        "#define late 1",
        "enum { early, late };",
        "typedef struct { int x; } late;",
        "typedef int (*late)(int x);",
        "extern int x;\nstatic const int late[] = {1, 2};",
    ],
)
def test_what_a_header_defines_has_its_folder(ext, definition):
    tree = ext({"core/tree/a.h": definition, "core/pool/b.c": "int f(void) { return late; }"})
    assert faults(tree) == ["points up: core/pool/b.c:1 late -> core/tree/a.h"]


def test_a_prototype_in_an_earlier_folder_points_up(ext):
    tree = ext({"core/pool/a.h": "int late(int x);\n", "core/tree/a.c": "int late(int x) {}\n"})
    assert faults(tree) == ["points up: core/pool/a.h:1 late (prototype) -> core/tree/a.c"]


def test_so_does_the_declaration_of_a_variable(ext):
    tree = ext({"core/pool/a.h": "extern int late;\n", "core/tree/a.c": "int late = 1;\n"})
    assert faults(tree) == ["points up: core/pool/a.h:1 late (extern) -> core/tree/a.c"]


def test_the_core_is_below_all_of_the_binding(ext):
    text = "int f(void) { late(); }"
    tree = ext({"core/inspect/a.c": text, "binding/base/b.c": "void late(void) {}"})
    assert faults(tree) == ["points up: core/inspect/a.c:1 late -> binding/base/b.c"]


def test_a_circle_of_folders_is_named(ext):
    tree = ext(
        {
            "core/pool/a.c": "int low(void) { return mid(); }",
            "core/tree/a.c": "int mid(void) { return high(); }",
            "core/view/a.c": "int high(void) { return low(); }",
        }
    )
    assert faults(tree)[-1] == "a circle of folders: core/pool core/tree core/view"


def test_a_sixteenth_file_is_a_fault(ext):
    assert faults(ext({f"core/pool/{n}.c": "" for n in range(15)})) == []
    assert faults(ext({"core/pool/15.h": ""})) == ["core/pool has 16 files; 15 are the most"]


@pytest.mark.parametrize("place", ["core/a.h", "core/pools/a.h", "a.h", "core/pool/more/a.h"])
def test_a_file_outside_the_folders_is_a_fault(ext, place):
    assert faults(ext({place: ""})) == [f"{place} lies in no folder of the order"]


def test_two_folders_may_not_define_one_name(ext):
    tree = ext({"core/pool/a.h": "#define SAME 1\n", "binding/pool/b.h": "enum { SAME };\n"})
    assert faults(tree) == ["SAME is defined in core/pool and in binding/pool"]


# ---- includes ----


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("config.h", "does not name its folder"),
        ("../base/config.h", "does not name its folder"),
        ("./config.h", "does not name its folder"),
        ("../config.h", "does not name its folder"),
        ("core/base/config.h", "does not name its folder"),
        ("base/other.h", "does not exist"),
        ("tree/root.h", "points up"),
        ("module/all.h", "the binding has, not the core"),
    ],
)
def test_an_include_that_is_not_as_it_should_be(ext, path, reason):
    text = f'#include "base/config.h"\n#  include "{path}" /* because */\n'
    files = {**BASE, "core/tree/root.h": "", "binding/module/all.h": "", "core/pool/pool.c": text}
    assert faults(ext(files)) == [f"core/pool/pool.c:2 includes {path}, which {reason}"]


def test_the_binding_includes_the_core_and_its_own_earlier_folders(ext):
    text = '#include <Python.h>\n#include "base/config.h"\n#include "lock/lock.h"\n'
    assert faults(ext({**BASE, "binding/lock/lock.h": "", "binding/view/view.c": text})) == []


def test_a_path_that_both_layers_have_is_a_fault(ext):
    paths = [f"{layer}/pool/{name}" for layer in ("core", "binding") for name in ("a.h", "a.c")]
    tree = ext(dict.fromkeys(paths, ""))
    assert faults(tree) == ["pool/a.h exists in each layer: an include cannot say which"]


# ---- no Python in the core ----


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("#include <Python.h>", "Python.h"),
        ("PyObject *f(void) {}", "PyObject"),
        ("#ifdef Py_GIL_DISABLED\n#endif", "Py_GIL_DISABLED"),
        ("#define PY_SSIZE_T_CLEAN", "PY_SSIZE_T_CLEAN"),
        ("int f(void) { return _Py_IsFinalizing(); }", "_Py_IsFinalizing"),
    ],
)
def test_python_in_the_core_is_a_fault(ext, text, word):
    fault = f"core/base/a.h:1 {word}: the core does without Python"
    assert faults(ext({"core/base/a.h": text})) == [fault]
    assert faults(ext({"core/base/a.h": "", "binding/base/a.c": text})) == []


def test_python_in_a_comment_or_a_text_of_the_core_is_none(ext):
    text = '/* PyObject */ // PyObject\nconst char *pb_x = "PyObject /* \\" ";\n'
    assert faults(ext({"core/base/a.c": text})) == []


# ---- names that look like uses and are none ----


@pytest.mark.parametrize(
    "text",
    [
        "int f(struct s *x) { return x->late + (*x).late; }",
        "struct s { int late, *b; void (*c)(int n); }; enum e { A = 1 };",
        "struct s { unsigned late : 3; struct { int late[2]; } inner; };",
        "struct s x = {.late = 1};",
        "int f(int late) { return late; }",
        "int f(int (*late)(int)) { return late(1); }",
        "int f(const int *late, ...);",
        "int f(void) { int late = 1; return late; }",
        "int f(void) { int a = 1, *late; return *late; }",
        "int f(void) { foreign late; { late++; } return late; }",
        "int f(void) { foreign *late[3] = {0}; return *late[0]; }",
        "int f(void) { for (int late = 0; late < 3; late++) if (late) { g(late); } else h(late); }",
        "int f(int x) { switch (x) { case 1: { int late; g(late); } default: return 1; } }",
        "int f(void) { goto late; late: return 1; }",
        "#define M(late) ((late) + 1)",
        "int n = offsetof(foreign, late);",
        "/* late */ // late\nconst char *x = \"late\"; int y = 'l';",
        "static int late(void) { return 1; } int f(void) { return late(); }",
        "static int late(void); int f(void) { return late(); } static int late(void) {}",
        "#define late 1\nint f(void) { return late; }",
        "enum { late }; int f(void) { return late; }",
        "typedef int late; late f(late x) {}",
        'PyDoc_STRVAR(late, "text"); const char *x = late;',
    ],
)
def test_what_is_not_a_use_of_a_later_name(ext, text):
    assert (
        arrows(ext({"binding/module/a.c": "int late(void) {}\n", "binding/base/a.c": text})) == []
    )


@pytest.mark.parametrize(
    "text",
    [
        "int f(void) { { int late; } return late(); }",
        "int f(void) { for (int late = 0;;) {} return late(); }",
        "int f(int late) {} int g(void) { return late(); }",
        "int f(void) { x ? late() : 1; }",
        "int f(void) { a.b = late * 2; return c; }",
        "int f(void) { Py_BEGIN_ALLOW_THREADS\nlate();\nPy_END_ALLOW_THREADS }",
        "struct s { int late; }; int f(void) { return late(); }",
        "int f(void) { EACH(x) { late(x); } }",
        'static const table t[] = {{"late", late, 0}};',
        "int f(void) {\n#if ONE\n g();\n#else\n late();\n#endif\n}",
    ],
)
def test_what_is_one_nevertheless(ext, text):
    tree = ext({"binding/module/a.c": "int late(void) {}\n", "binding/base/a.c": text})
    assert len(arrows(tree)) == 1


def test_files_may_use_one_name_for_things_of_their_own(ext):
    same = "static int low(void) { return high; }\n#define high 1\n"
    assert arrows(ext({"core/pool/a.c": same, "core/tree/b.c": same, "core/view/c.c": same})) == []


def test_a_tag_is_not_what_is_called_the_same_without_it(ext):
    struct, use = "struct thing { int x; };", "int f(int n) { return thing; }"
    assert arrows(ext({"core/tree/a.h": struct, "core/pool/a.c": use})) == []


def test_an_if_that_divides_a_block_is_said(ext):
    tree = ext(
        {"core/pool/a.c": "void f(void) {\n#if A\nif (a) {\n#else\nif (b) {\n#endif\n}\n}\n"}
    )
    assert faults(tree) == ["core/pool/a.c: line 1: a bracket is not closed"]


def test_lines_are_those_of_the_file():
    text = '/* a\n b */\n#define M \\\n  one\n\nint f(void)\n{ return "\\\n" && two; }\n'
    names = read(text, is_header=False)
    assert [(name.text, name.line) for name in names.used] == [("one", 4), ("two", 8)]
    assert [(name.text, name.line) for name in names.defined] == [("M", 3), ("f", 6)]


# ---- circles ----


def test_circles_are_found_apart():
    uses = {"a": "b", "b": "a", "c": "a", "d": "d", "e": "f", "f": "ge", "g": "e"}
    assert circles(uses) == [["a", "b"], ["d"], ["e", "f", "g"]]


# ---- imports ----


@pytest.fixture
def package(tmp_path):
    """A function that writes the modules of a package, and returns the folder around it."""

    def make(files):
        _write(tmp_path / "pkg", files)
        return tmp_path

    return make


def test_an_import_is_of_a_module_or_of_what_a_package_says_itself(package):
    src = package(
        {
            "__init__.py": "import os\nfrom pkg.a import x\n",
            "a.py": "import pkg.sub.b\nfrom pkg import sub, other\nfrom os import path\n",
            "sub/__init__.py": "",
            "sub/b.py": "def f():\n    from pkg.sub import c\n",
            "sub/c.py": "",
        }
    )
    assert imports(src, "pkg") == {
        "pkg": {"pkg.a"},
        "pkg.a": {"pkg.sub.b", "pkg.sub", "pkg"},
        "pkg.sub": set(),
        "pkg.sub.b": {"pkg.sub.c"},
        "pkg.sub.c": set(),
    }


@pytest.mark.parametrize("text", ["from pkg.a import x\n", "def f():\n    import pkg.a\n"])
def test_a_circle_of_imports_is_named(package, text):
    src = package({"__init__.py": "", "a.py": "from pkg import b\n", "b.py": text})
    assert import_circles(src, "pkg") == ["a circle of imports: pkg.a pkg.b"]
    assert import_circles(src, "pkg", {("pkg.b", "pkg.a"): "so few ask for it"}) == []


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_what_only_a_type_checker_imports_closes_no_circle(package, test):
    text = f"if {test}:\n    from pkg.a import x\nelse:\n    from pkg.c import x\n"
    src = package({"__init__.py": "", "a.py": "from pkg import b\n", "b.py": text, "c.py": ""})
    assert import_circles(src, "pkg") == []
    assert imports(src, "pkg")["pkg.b"] == {"pkg.c"}


def test_the_files_of_this_project_are_read_whole():
    """If the tool skipped files or parts of them, its other tests would prove nothing."""
    ext = Path(__file__).parents[2] / "ext"
    tree = load(ext)
    assert tree.faults == []
    assert len(tree.files) == sum(1 for _ in ext.rglob("*.[ch]")) > 100
    assert sum(1 for _ in tree.arrows()) > 3000
