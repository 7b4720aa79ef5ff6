#!/usr/bin/env python3
"""Write python/octant/_structs.py: the structs of the C headers that the Python package hands to the library, as ctypes
sees them. Run it after a change of include/*.h; a test compares every size and offset with the compiler's.

usage: tools/mirror.py [--check]     --check: say whether the file is up to date, and change nothing
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "python" / "octant" / "_structs.py"
# What python/octant/_lib.py names; the structs inside these come along.
WANTED = ["error", "slice", "id", "open_options", "database_info", "names", "collection_info", "memory_info", "write_options",
          "write_result", "select", "records", "api_request", "api_response"]
SCALARS = {
    "bool": "c_bool", "int": "c_int", "char": "c_char", "float": "c_float", "double": "c_double", "size_t": "c_size_t",
    "uint8_t": "c_uint8", "int32_t": "c_int32", "uint32_t": "c_uint32", "int64_t": "c_int64", "uint64_t": "c_uint64",
    "void": None,
}


def read_headers():
    text = "\n".join((ROOT / "include" / name).read_text(encoding="utf-8") for name in ("octant.h", "octant_api.h"))
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    numbers = {name: value for name, value in re.findall(r"#define\s+(OCT_\w+)\s+\(?(\d+)u?\)?\s*$", text, re.M)}
    structs = {name: body for body, name in re.findall(r"typedef struct oct_\w+ \{(.*?)\}\s*oct_(\w+);", text, re.S)}
    enums = set(re.findall(r"\}\s*oct_(\w+);", text)) - set(structs)
    return numbers, structs, enums


def field_types(struct, body, numbers, structs, enums):
    """(name, ctypes expression, struct it needs or None) for each field."""
    for line in body.split(";"):
        words = re.sub(r"\s+", " ", line.replace("const ", " ").replace("struct ", " ")).strip()
        if not words:
            continue
        kind, rest = words.split(" ", 1)
        for part in rest.split(","):
            stars = part.count("*")
            name, length = re.fullmatch(r"\s*[* ]*(\w+)(?:\[(\w+)\])?\s*", part).groups()
            base, needs = kind[4:] if kind.startswith("oct_") else kind, None
            if base in structs:
                expression, needs = base, base
            elif base in enums:
                expression = "c_int"
            elif kind == "oct_file" and stars:
                expression = None  # only ever a pointer
            elif kind.startswith("oct_"):
                raise SystemExit(f"{kind} {name}: no such type in the headers")
            else:
                expression = SCALARS[base]
            if stars and expression in (None, "c_char"):
                expression, stars, needs = ("c_char_p" if expression else "c_void_p"), stars - 1, None
            for _ in range(stars):
                expression = f"POINTER({expression})"
            if length:
                expression = f"{expression} * {numbers.get(length, length)}"
            if (struct, name) == ("slice", "data"):
                expression = "c_void_p"  # bytes without a NUL at their end
            yield name, expression, needs


def generate():
    numbers, structs, enums = read_headers()
    order, fields = [], {}

    def visit(name):
        if name in fields:
            return
        fields[name] = list(field_types(name, structs[name], numbers, structs, enums))
        for _, _, needs in fields[name]:
            if needs is not None:
                visit(needs)
        order.append(name)

    for name in WANTED:
        visit(name)
    used = sorted(set(re.findall(r"c_\w+|POINTER", " ".join(kind for name in order for _, kind, _ in fields[name]))))
    lines = ['"""The structs of include/*.h as ctypes sees them. Written by tools/mirror.py; do not edit."""', ""]
    lines += ["from ctypes import (", *[f"    {name}," for name in ["Structure", *used]], ")"]
    lines += ["", ""]
    lines += ["def _struct(name, *fields):",
              '    return type(name, (Structure,), {"_fields_": list(fields), "__doc__": f"oct_{name} of the C headers"})', "", ""]
    for name in order:
        lines += [f"{name} = _struct(", f'    "{name}",']
        lines += [f'    ("{field}", {kind}),' for field, kind, _ in fields[name]]
        lines += [")"]
    lines += ["", "STRUCTS = [", *[f"    {name}," for name in order], "]", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    wanted = generate()
    if "--check" in sys.argv[1:]:
        if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != wanted:
            sys.exit(f"{TARGET.relative_to(ROOT)} does not fit the headers: run tools/mirror.py")
    else:
        TARGET.write_text(wanted, encoding="utf-8")
