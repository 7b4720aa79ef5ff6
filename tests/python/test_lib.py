"""Goal:   the Python mirror of the C headers is exact.
Method:   the compiler prints every size and offset; the headers' prototypes, enums and limits are read as text.
"""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from octant import _lib, errors

ROOT = Path(__file__).resolve().parents[2]
HEADERS = [ROOT / "include" / name for name in ("octant.h", "octant_snapshot.h", "octant_api.h")]

pytestmark = pytest.mark.skipif(not HEADERS[0].is_file(), reason="the headers are not here")


def header_text():
    text = "\n".join(path.read_text() for path in HEADERS)
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def test_every_struct_has_the_compilers_layout(compiler, tmp_path):
    lines, expected = [], {}
    for struct in _lib.STRUCTS:
        name = f"oct_{struct.__name__}"
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        expected[name] = ctypes.sizeof(struct)
        for field, _ in struct._fields_:
            lines.append(
                f'printf("{name}.{field} %zu %zu\\n", offsetof({name}, {field}), sizeof((({name} *)0)->{field}));'
            )
            descriptor = getattr(struct, field)
            expected[f"{name}.{field}"] = (descriptor.offset, descriptor.size)
    source = tmp_path / "layout.c"
    source.write_text(
        '#include <stdio.h>\n#include "octant.h"\n#include "octant_api.h"\nint main(void){'
        + "\n".join(lines)
        + "}"
    )
    program = tmp_path / "layout"
    subprocess.run([compiler, "-I", str(ROOT / "include"), "-o", str(program), str(source)], check=True)
    printed = {}
    for line in subprocess.run(
        [str(program)], check=True, capture_output=True, text=True
    ).stdout.splitlines():
        name, *numbers = line.split()
        printed[name] = int(numbers[0]) if len(numbers) == 1 else tuple(map(int, numbers))
    assert len(printed) > 130
    assert printed == expected


def test_every_struct_has_all_fields_of_the_headers():
    found = {}
    for body, name in re.findall(r"typedef struct oct_\w+ \{(.*?)\}\s*oct_(\w+);", header_text(), re.S):
        found[name] = [
            re.search(r"(\w+)(\[\w+\])?$", line.strip()).group(1) for line in body.split(";") if line.strip()
        ]
    for struct in _lib.STRUCTS:
        assert [field for field, _ in struct._fields_] == found[struct.__name__]


def test_every_function_has_the_prototype_of_the_headers():
    found = {}
    for result, name, arguments in re.findall(
        r"OCT_API\s+([\w ]+?[ *]+)(oct_\w+)\((.*?)\);", header_text(), re.S
    ):
        arguments = [] if arguments.strip() in ("", "void") else arguments.split(",")
        found[name] = (result.strip(), [argument.strip() for argument in arguments])
    assert len(_lib.FUNCTIONS) > 25
    for name, (bound_result, bound) in _lib.FUNCTIONS.items():
        result, arguments = found[name]
        assert len(bound) == len(arguments), name
        assert (bound_result is None) == (result == "void"), name
        for given, argument in zip(bound, arguments):
            assert kind_of(given) == kind_in_c(argument), (name, argument)


def kind_in_c(argument):
    """What must be passed: a pointer, a slice, or a number of so many bytes."""
    if "*" in argument:
        return "pointer"
    kind = argument.split()[0]
    return {"oct_slice": "slice", "size_t": 8, "uint64_t": 8, "uint32_t": 4, "bool": 1, "oct_status": 4}[kind]


def kind_of(given):
    if given is _lib.slice:
        return "slice"
    if given is ctypes.c_void_p or isinstance(given(), ctypes._Pointer):
        return "pointer"
    return ctypes.sizeof(given)


def test_statuses_are_those_of_the_header():
    listed = dict(re.findall(r"X\((\w+), (-?\d+),", header_text()))
    assert {name: int(value) for name, value in listed.items()} == {s.name: s.value for s in errors.Status}


def test_enums_and_limits_are_those_of_the_header():
    text = header_text()
    numbers = {name: int(value) for name, value in re.findall(r"OCT_(\w+) = (-?\d+)", text)}
    for names in (_lib.DISTANCES, _lib.DATATYPES):
        for name, value in names.items():
            assert numbers[name.upper()] == value
    for name, value in _lib.SYNC_POLICIES.items():
        assert numbers[f"SYNC_{name.upper()}"] == value
    assert (numbers["DENSE"], numbers["SPARSE"], numbers["MULTI"]) == (0, 1, 2)
    assert f"#define OCT_ERROR_TEXT_MAX {_lib.ERROR_TEXT_MAX}" in text
    assert f"#define OCT_UNSET ({_lib.UNSET})" in text


def test_every_status_has_an_exception_that_says_its_sentence():
    for status in errors.Status:
        raised = errors.error_for(status, "a 'sentence'")
        assert isinstance(raised, errors.Error)
        assert raised.status == status
        assert str(raised) == "a 'sentence'"
    assert isinstance(errors.error_for(-7, ""), KeyError)
    assert isinstance(errors.error_for(-3, ""), ValueError)
    assert isinstance(errors.error_for(-11, ""), TimeoutError)
    assert errors.error_for(-99, "of a later version").status == -99


def test_an_error_survives_pickling():
    import pickle

    for status in errors.Status:
        copy = pickle.loads(pickle.dumps(errors.error_for(status, "text")))
        assert (type(copy), str(copy), copy.status) == (
            type(errors.error_for(status, "text")),
            "text",
            status,
        )


def run_python(code, **environment):
    given = {**os.environ, "PYTHONPATH": str(Path(_lib.__file__).parents[1]), **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=given)


@pytest.mark.parametrize(
    "library, sentence",
    [
        ("/nowhere/liboctant.so", "OCTANT_LIB is '/nowhere/liboctant.so', but there is no such file"),
        (__file__, "cannot load"),
        (None, "it belongs to another version of Octant"),
    ],
)
def test_a_wrong_library_is_named(library, sentence):
    if library is None:  # some library that is not ours
        library = next(
            (
                path
                for path in (
                    "/lib/x86_64-linux-gnu/libm.so.6",
                    "/usr/lib/libm.so.6",
                    "/lib/aarch64-linux-gnu/libm.so.6",
                )
                if os.path.exists(path)
            ),
            None,
        )
        if library is None:
            pytest.skip("no libm where it is expected")
    done = run_python(
        "import octant\ntry: octant.open()\nexcept octant.Error as e: print(e)", OCTANT_LIB=library
    )
    assert sentence in done.stdout, done


def test_importing_loads_neither_numpy_nor_the_client():
    done = run_python(
        "import sys, octant\n"
        "print([name for name in ('numpy', 'qdrant_client', 'httpx', 'anyio', 'grpc') if name in sys.modules])"
    )
    assert done.stdout.strip() == "[]", done


def test_without_numpy_and_the_client_the_rest_says_what_to_install():
    done = run_python(
        "import sys\n"
        "for name in ('numpy', 'qdrant_client', 'httpx'): sys.modules[name] = None\n"
        "import octant\n"
        "for name in ('QdrantClient', 'OctantTransport'):\n"
        "    try: getattr(octant, name)\n"
        "    except ImportError as e: print(e)\n"
        "try: octant.native._rows([[1.0]], 'vectors')\n"
        "except ImportError as e: print(e)\n"
    )
    assert done.stdout.count("pip install qdrant-client") == 2, done
    assert "pip install numpy" in done.stdout, done


def test_the_package_lists_only_names_it_has():
    import octant

    for name in octant.__all__:
        assert getattr(octant, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = octant.nonsense
