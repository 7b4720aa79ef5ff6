#!/usr/bin/env python3
"""Make the tables of the gRPC door from src/api/proto: one C file with, for each message, its fields and how
the JSON of the REST API says the same; for each method, the REST route it is; for reflection, each file as a
FileDescriptorProto. See src/api/grpc.h for what is done with them.

usage: tools/protogen.py PROTO_FOLDER OUT.c

What is read is the part of proto3 that the files use: messages, enums, oneofs, maps, services, nested types;
one declaration a line. Notes behind `//=` say where JSON differs from the obvious (the same names, objects for
messages, strings for enums):

of a field
  name X          is called X in JSON ("" is a name too)
  inline          the members of its message stand in the object around it
  self            the whole message is this field's value
  always          an empty list or map is written, not left out
  unless X        is left out if field X of the same message is given
  path, option X  of a request: a part of the route's path, a parameter of its query string (not in the body)
  drop            is not in the body
  hook X          is written by a function of grpc_decode.c
of a message
  bare            every field is `self`
  none "text"     if no field is set: an error with this text;   false: the value false;   empty "x": the text "x"
  text "x", true  has no fields, and stands for "x" or true
  type "x"        has a member "type" of this value
  special         is known to grpc_decode.c and grpc_encode.c by name
of an enum or its value
  lenient         unknown numbers are as if the field were absent
  word            the value in JSON;   - : as if the field were absent;   ! "text": an error
of a method
  METHOD /route -> FIELD   where the route's result goes in the response; `.` is the response itself, `-` nowhere
"""
import os
import re
import sys

SCALARS = {"double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "bool": 8, "string": 9, "uint32": 13}
KINDS = {"double": "GRPC_DOUBLE", "float": "GRPC_FLOAT", "int64": "GRPC_INT64", "uint64": "GRPC_UINT64",
         "int32": "GRPC_INT32", "bool": "GRPC_BOOL", "string": "GRPC_STRING", "uint32": "GRPC_UINT32"}
TYPE_ENUM, TYPE_MESSAGE = 14, 11


class Field:
    def __init__(self, label, kind, name, number, oneof, notes):
        self.label, self.kind, self.name, self.number, self.oneof = label, kind, name, number, oneof
        self.notes = notes
        self.map = re.fullmatch(r"map<string, ([\w.]+)>", kind)


class Message:
    def __init__(self, name, full, notes):
        self.name, self.full, self.notes = name, full, notes
        self.fields, self.oneofs, self.messages, self.enums = [], [], [], []


class Enum:
    def __init__(self, name, full, notes):
        self.name, self.full, self.notes, self.values = name, full, notes, []


class File:
    def __init__(self, name):
        self.name, self.package, self.imports = name, "", []
        self.messages, self.enums, self.service, self.methods = [], [], None, []


def fail(path, number, text):
    sys.exit(f"{path}:{number}: {text}")


def parse_notes(text):
    """`name x, unless y` -> {"name": "x", "unless": "y"}"""
    notes = {}
    for part in re.findall(r'(?:"[^"]*"|[^,"])+', text or ""):
        word, _, rest = part.strip().partition(" ")
        notes[word] = rest.strip().strip('"')
    return notes


def parse(path, name):
    made = File(name)
    stack = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            code, _, note = line.strip().partition("//=")
            code, note = re.sub(r"//.*", "", code).strip(), note.strip()
            if not code or code.startswith("syntax"):
                continue
            if match := re.fullmatch(r"package ([\w.]+);", code):
                made.package = match[1]
            elif match := re.fullmatch(r'import "([^"]+)";', code):
                made.imports.append(match[1])
            elif match := re.fullmatch(r"service (\w+) \{", code):
                made.service = match[1]
                stack.append(("service", None))
            elif match := re.fullmatch(r"rpc (\w+)\((\w+)\) returns \((\w+)\);", code):
                made.methods.append((match[1], match[2], match[3], note))
            elif match := re.fullmatch(r"(message|enum) (\w+) \{", code):
                outer = stack[-1][1] if stack else made
                full = f"{made.package if outer is made else outer.full}.{match[2]}"
                inner = (Message if match[1] == "message" else Enum)(match[2], full, parse_notes(note))
                (outer.messages if match[1] == "message" else outer.enums).append(inner)
                stack.append((match[1], inner))
            elif match := re.fullmatch(r"oneof (\w+) \{", code):
                stack[-1][1].oneofs.append(match[1])
                stack.append(("oneof", stack[-1][1]))
            elif code == "}":
                stack.pop()
            elif stack and stack[-1][0] == "enum" and (match := re.fullmatch(r"(\w+) = (\d+);", code)):
                stack[-1][1].values.append((match[1], int(match[2]), note))
            elif stack and (match := re.fullmatch(
                    r"(?:(optional|repeated) )?(map<string, [\w.]+>|[\w.]+) (\w+) = (\d+);", code)):
                where, owner = stack[-1]
                oneof = len(owner.oneofs) - 1 if where == "oneof" else None
                owner.fields.append(Field(match[1], match[2], match[3], int(match[4]), oneof, parse_notes(note)))
            else:
                fail(path, number, f"not understood: {code}")
    return made


def read_all(folder):
    files, waiting = {}, sorted(name for name in os.listdir(folder) if name.endswith(".proto"))
    while waiting:
        name = waiting.pop(0)
        if name not in files:
            files[name] = parse(os.path.join(folder, name), name)
            waiting += files[name].imports
    return dict(sorted(files.items()))


def walk(owner):
    for message in owner.messages:
        yield message
        yield from walk(message)


def enums_of(file):
    yield from file.enums
    for message in walk(file):
        yield from message.enums


class Tables:
    def __init__(self, files):
        self.files = files
        self.types = {}
        for file in files.values():
            self.types.update({message.full: message for message in walk(file)})
            self.types.update({enum.full: enum for enum in enums_of(file)})
        self.out = []

    def resolve(self, name, scope):
        parts = scope.split(".")
        for size in range(len(parts), -1, -1):
            found = self.types.get(".".join(parts[:size] + [name]))
            if found is not None:
                return found
        return self.types.get("google.protobuf." + name) or sys.exit(f"{scope}: no type {name}")

    @staticmethod
    def c_name(full):
        return re.sub(r"^qdrant_", "", full.replace(".", "_"))

    # --- tables in C -----------------------------------------------------------------------------

    def enum(self, enum):
        name = self.c_name(enum.full)
        self.out.append(f"static const grpc_enum_value {name}_values[] = {{")
        for text, number, note in enum.values:
            refused = re.fullmatch(r'! "(.*)"', note)
            shown = "NULL" if note == "-" or refused else f'"{note or text}"'
            self.out.append(f'    {{{number}, {shown}, {quoted(refused[1]) if refused else "NULL"}}},')
        self.out.append("};")
        self.out.append(f'static const grpc_enum {name} = {{"{enum.name}", {name}_values, {len(enum.values)}, '
                        f'{"true" if "lenient" in enum.notes else "false"}}};')

    def type_of(self, field, message):
        """(kind, reference to a message, reference to an enum) of a field's own type or a map's values."""
        kind = field.map[1] if field.map else field.kind
        if kind in KINDS:
            return KINDS[kind], "NULL", "NULL"
        found = self.resolve(kind, message.full)
        if isinstance(found, Enum):
            return "GRPC_ENUM", "NULL", f"&{self.c_name(found.full)}"
        return "GRPC_MESSAGE", f"&{self.c_name(found.full)}", "NULL"

    def message(self, message):
        name = self.c_name(message.full)
        indexes = {field.name: index for index, field in enumerate(message.fields)}
        if message.fields:
            self.out.append(f"static const grpc_field {name}_fields[] = {{")
        for field in message.fields:
            kind, sub, enum = self.type_of(field, message)
            notes = field.notes
            flags = []
            if field.label == "repeated":
                flags.append("GRPC_REPEATED")
            if field.map:
                flags.append("GRPC_MAP")
            if field.label == "optional" or field.oneof is not None or (kind == "GRPC_MESSAGE" and not flags):
                flags.append("GRPC_PRESENCE")
            if "bare" in message.notes:
                flags.append("GRPC_SELF")
            flags += [f"GRPC_{word.upper()}" for word in ("inline", "self", "always", "path", "option", "drop")
                      if word in notes]
            if "hook" in notes:
                flags.append(f'GRPC_HOOK_{notes["hook"].upper()}')
            shown = notes.get("name", notes.get("option") or field.name)
            unless = indexes[notes["unless"]] if "unless" in notes else -1
            oneof = 0 if field.oneof is None else field.oneof + 1
            self.out.append(f'    {{"{shown}", {len(shown)}, {field.number}, {kind}, {oneof}, {unless}, '
                            f'{" | ".join(flags) or "0"}, {sub}, {enum}}},')
        if message.fields:
            self.out.append("};")
        notes = message.notes
        shape, text = "GRPC_OBJECT", "NULL"
        for word in ("none", "empty", "text", "type"):
            if word in notes:
                shape, text = f"GRPC_{word.upper()}", quoted(notes[word])
        if "special" in notes:
            shape = "GRPC_SPECIAL_" + re.sub(r"(?<=[a-z])([A-Z])", r"_\1", message.name).upper()
        if "true" in notes or "false" in notes:
            shape = "GRPC_TRUE" if "true" in notes else "GRPC_FALSE"
        fields = name + "_fields" if message.fields else "NULL"
        self.out.append(f'static const grpc_message {name} = {{"{message.name}", {fields}, {len(message.fields)}, '
                        f'{len(message.oneofs)}, {shape}, {"true" if "bare" in notes else "false"}, {text}}};')

    def methods(self, file):
        for name, taken, given, note in file.methods:
            http, pattern, result = re.fullmatch(r"(\w+) (\S+) -> (\S+)", note).groups()
            taken, given = (self.c_name(self.resolve(x, file.package).full) for x in (taken, given))
            self.out.append(f'    {{"/{file.package}.{file.service}/{name}", "{http}", "{pattern}", &{taken}, &{given}, '
                            f'"{result}"}},')

    # --- descriptors for reflection ----------------------------------------------------------------

    def field_descriptor(self, field, message, oneof):
        kind, type_name = field.kind, ""
        if field.map:
            found, number = f".{message.full}.{entry_name(field)}", TYPE_MESSAGE
            type_name = found
        elif kind in SCALARS:
            number = SCALARS[kind]
        else:
            found = self.resolve(kind, message.full)
            number, type_name = (TYPE_ENUM if isinstance(found, Enum) else TYPE_MESSAGE), f".{found.full}"
        label = 3 if field.label == "repeated" or field.map else 1
        text = (pb_text(1, field.name) + pb_int(3, field.number) + pb_int(4, label) + pb_int(5, number)
                + (pb_text(6, type_name) if type_name else b""))
        if oneof is not None:
            text += pb_int(9, oneof)
        parts = field.name.split("_")
        text += pb_text(10, parts[0] + "".join(part[:1].upper() + part[1:] for part in parts[1:]))
        return text + (pb_int(17, 1) if field.label == "optional" else b"")

    def message_descriptor(self, message):
        text = pb_text(1, message.name)
        oneofs = list(message.oneofs)
        for field in message.fields:
            oneof = field.oneof
            if field.label == "optional":
                oneof = len(oneofs)
                oneofs.append("_" + field.name)
            text += pb_bytes(2, self.field_descriptor(field, message, oneof))
        for field in message.fields:
            if field.map:
                key = Field(None, "string", "key", 1, None, {})
                value = Field(None, field.map[1], "value", 2, None, {})
                text += pb_bytes(3, pb_text(1, entry_name(field))
                                 + pb_bytes(2, self.field_descriptor(key, message, None))
                                 + pb_bytes(2, self.field_descriptor(value, message, None))
                                 + pb_bytes(7, pb_int(7, 1)))
        for inner in message.messages:
            text += pb_bytes(3, self.message_descriptor(inner))
        for enum in message.enums:
            text += pb_bytes(4, enum_descriptor(enum))
        for name in oneofs:
            text += pb_bytes(8, pb_text(1, name))
        return text

    def file_descriptor(self, file):
        text = pb_text(1, file.name) + pb_text(2, file.package)
        for name in file.imports:
            text += pb_text(3, name)
        for message in file.messages:
            text += pb_bytes(4, self.message_descriptor(message))
        for enum in file.enums:
            text += pb_bytes(5, enum_descriptor(enum))
        if file.service:
            methods = b""
            for name, taken, given, _ in file.methods:
                methods += pb_bytes(2, pb_text(1, name) + pb_text(2, f".{self.resolve(taken, file.package).full}")
                                    + pb_text(3, f".{self.resolve(given, file.package).full}"))
            text += pb_bytes(6, pb_text(1, file.service) + methods)
        return text + pb_text(12, "proto3")

    def write(self):
        self.out += ["/* Made by tools/protogen.py from src/api/proto. */", '#include "api/grpc.h"', ""]
        messages = [message for file in self.files.values() for message in walk(file)]
        for message in messages:
            self.out.append(f"static const grpc_message {self.c_name(message.full)};")
        for file in self.files.values():
            for enum in enums_of(file):
                self.enum(enum)
        for message in messages:
            self.message(message)
        self.out.append("const grpc_method grpc_methods[] = {")
        for file in self.files.values():
            self.methods(file)
        self.out += ["    {NULL, NULL, NULL, NULL, NULL, NULL},", "};"]
        for index, file in enumerate(self.files.values()):
            data = self.file_descriptor(file)
            self.out.append(f"static const unsigned char file_{index}[] = {{")
            for at in range(0, len(data), 24):
                self.out.append("    " + ",".join(str(byte) for byte in data[at:at + 24]) + ",")
            self.out.append("};")
        self.out.append("const grpc_file grpc_files[] = {")
        for index, file in enumerate(self.files.values()):
            symbols = [type_.full for type_ in list(walk(file)) + list(enums_of(file))]
            if file.service:
                symbols.append(f"{file.package}.{file.service}")
                symbols += [f"{file.package}.{file.service}.{method[0]}" for method in file.methods]
            names = " ".join(["", *symbols, ""])
            self.out.append(f'    {{"{file.name}", "{names}", file_{index}, sizeof file_{index}}},')
        self.out += ["    {NULL, NULL, NULL, 0},", "};"]
        return "\n".join(self.out) + "\n"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def entry_name(field):
    return "".join(part[:1].upper() + part[1:] for part in field.name.split("_")) + "Entry"


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def pb_int(number, value):
    return varint(number << 3) + varint(value)


def pb_bytes(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def pb_text(number, value):
    return pb_bytes(number, value.encode())


def enum_descriptor(enum):
    return pb_text(1, enum.name) + b"".join(pb_bytes(2, pb_text(1, name) + pb_int(2, number))
                                            for name, number, _ in enum.values)


def main():
    folder, out = sys.argv[1:]
    text = Tables(read_all(folder)).write()
    os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
    with open(out, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
