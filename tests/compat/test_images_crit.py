"""CRIU's own reader of images and ours agree: on images that we write, and on what they show.

The installed crit may be older than our schema: fields that it does not know are left out of the
images that it gets, and types that it does not know are named and skipped.
"""
import io
import json
import os
import pathlib
import subprocess

import pytest

pycriu = pytest.importorskip("pycriu")
from google.protobuf import descriptor_pb2  # noqa: E402
from pycriu.images import images, pb  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("STASIS", ROOT / "build/src/cli/stasis")).parents[2]
MAKE_IMAGES = BUILD / "tests/compat/make-images"
SEEDS = (1, 2, 3, 7919)

# Types that crit 3.17 has no handler for, or not the right one.
NOT_KNOWN_TO_CRIT = {"PIDFD", "STASIS", "MANIFEST", "BINFMT_MISC"}
# Its encoder gives a str to base64.decodebytes(), which wants bytes.
CRIT_CANNOT_ENCODE = {"BPFMAP_DATA", "IPCNS_SHM"}
# Words that newer crit has for flags, and a state that it has wrong words for.
NEWER_WORDS = ("VMA_AREA_MEMFD", "VMA_AREA_SHSTK", "VMA_AREA_UPROBES", "MAP_DROPPABLE")
# Before CRIU 4.2 field 2 of pagemap_entry had the name that field 5 has now.
OLD_PAGEMAP = "compat_nr_pages" not in pb.pagemap_entry.DESCRIPTOR.fields_by_name


def known_lines():
    """All fields and enum values of the messages that crit has."""
    seen, lines = set(), []

    def enum(e):
        lines.extend(f"{e.full_name} {v.name} {v.number}\n" for v in e.values)

    def message(d):
        if d.full_name in seen:
            return
        seen.add(d.full_name)
        for f in d.fields:
            lines.append(f"{d.full_name} {f.name} {f.number}\n")
            if f.message_type:
                message(f.message_type)
            if f.enum_type:
                enum(f.enum_type)

    for name in dir(pb):
        d = getattr(getattr(pb, name), "DESCRIPTOR", None)
        if d is not None and hasattr(d, "fields"):
            message(d)
    return lines


@pytest.fixture(scope="module", params=SEEDS)
def dump(request, tmp_path_factory):
    if not MAKE_IMAGES.exists():
        pytest.fail(f"{MAKE_IMAGES} is not built")
    path = tmp_path_factory.mktemp(f"images-{request.param}")
    known = path / "known"
    known.write_text("".join(known_lines()))
    subprocess.run([MAKE_IMAGES, path, str(request.param), known], check=True)
    return path


def images_of(path):
    """(name, bytes, type) of each image with records that crit knows."""
    for text in sorted(path.glob("*.json")):
        if text.name.endswith(".pretty.json"):
            continue
        magic = json.loads(text.read_text())["magic"]
        if magic in images.handlers and magic not in NOT_KNOWN_TO_CRIT:
            name = text.name[: -len(".json")]
            yield name, (path / name).read_bytes(), magic


def shown(path, name, kind):
    """What we show of an image, in the words of the installed crit."""
    text = (path / f"{name}{kind}").read_text()
    return text.replace("compat_nr_pages", "nr_pages") if OLD_PAGEMAP else text


def fields_of(files):
    """{message: {number: (name, type, label, type name)}} of files as protoc describes them."""
    found = {}

    def walk(prefix, messages):
        for m in messages:
            found[prefix + m.name] = {f.number: (f.name, f.type, f.label, f.type_name) for f in m.field}
            walk(prefix + m.name + ".", m.nested_type)

    for file in files:
        walk("", file.message_type)
    return found


def our_fields(tmp_path):
    path = tmp_path / "schema"
    schema = ROOT / "schema"
    protos = sorted(p.name for p in schema.glob("*.proto"))
    subprocess.run(["protoc", f"-I{schema}", f"--descriptor_set_out={path}", *protos], check=True)
    ours = descriptor_pb2.FileDescriptorSet()
    ours.ParseFromString(path.read_bytes())
    return fields_of(ours.file)


def crit_fields():
    files = {}
    for value in (getattr(pb, name) for name in dir(pb)):
        descriptor = getattr(value, "DESCRIPTOR", None)
        if hasattr(descriptor, "fields"):
            files[descriptor.file.name] = descriptor.file
    protos = []
    for file in files.values():
        protos.append(descriptor_pb2.FileDescriptorProto())
        file.CopyToProto(protos[-1])
    return fields_of(protos)


def test_the_schema_agrees(tmp_path):
    ours = our_fields(tmp_path)
    for message, fields in crit_fields().items():
        for number, field in fields.items():
            if message == "pagemap_entry" and OLD_PAGEMAP and number == 2:
                continue
            if message != "CRIU_Opts":
                assert ours[message].get(number) == field, f"{message}.{field[0]}"


def test_fields_of_our_own_are_optional(tmp_path):
    required = descriptor_pb2.FieldDescriptorProto.LABEL_REQUIRED
    for message, fields in our_fields(tmp_path).items():
        for number, field in fields.items():
            assert number < 1000 or field[2] != required, f"{message}.{field[0]}"


def test_most_types_are_compared(dump):
    names = {name for name, _, _ in images_of(dump)}
    left_out = {t.name for t in dump.glob("*.img.json")} - {n + ".json" for n in names}
    print("not known to this crit:", sorted(left_out))
    assert len(names) >= 60


def test_crit_writes_the_same_bytes(dump):
    for name, data, magic in images_of(dump):
        decoded = pycriu.images.load(io.BytesIO(data))
        if magic not in CRIT_CANNOT_ENCODE:
            assert pycriu.images.dumps(decoded) == data, name


def test_crit_reads_what_we_show(dump):
    for name, data, magic in images_of(dump):
        if magic in CRIT_CANNOT_ENCODE:
            continue
        assert pycriu.images.dumps(json.loads(shown(dump, name, ".json"))) == data, name


def test_we_show_what_crit_shows(dump):
    for name, data, _ in images_of(dump):
        theirs = json.dumps(pycriu.images.load(io.BytesIO(data))) + "\n"
        assert shown(dump, name, ".json") == theirs, name


def same_but_words(ours, theirs, key=""):
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same_but_words(ours[k], theirs[k], k) for k in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(same_but_words(a, b, key) for a, b in zip(ours, theirs))
    if key == "task_state" or isinstance(ours, str) and any(w in ours for w in NEWER_WORDS):
        return True
    return ours == theirs


def test_we_show_people_what_crit_shows_them(dump):
    for name, data, _ in images_of(dump):
        ours = shown(dump, name, ".pretty.json")
        theirs = pycriu.images.load(io.BytesIO(data), True)
        if ours != json.dumps(theirs, indent=4) + "\n":
            assert same_but_words(json.loads(ours), theirs), name


def test_the_tool_itself(dump):
    data = (dump / "pstree.img").read_bytes()
    text = subprocess.run(["crit", "decode", "--pretty"], input=data, capture_output=True, check=True)
    assert text.stdout.decode() == (dump / "pstree.img.pretty.json").read_text()
    again = subprocess.run(["crit", "encode"], input=text.stdout, capture_output=True, check=True)
    assert again.stdout == data
