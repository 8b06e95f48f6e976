"""Damaged images: a named error, no process, no crash."""
import os
import random
import re
import shutil

import pytest

import live
from conftest import needs_root

pytestmark = needs_root
SANITIZED = live.BUILD.with_name(live.BUILD.name + "-asan") / "src/cli/stasis"
STASIS = SANITIZED if SANITIZED.exists() else live.STASIS
LOADS = int(os.environ.get("STASIS_DAMAGES", "250"))


@pytest.fixture(scope="module")
def dumped(tmp_path_factory):
    """The images of a shell's job tree that is gone, and its pids."""
    folder = tmp_path_factory.mktemp("damaged") / "whole"
    folder.mkdir()
    target = live.start("/bin/sh", "-c", "exec 5</etc/passwd; sleep 1000 | cat & sleep 1000 & wait")
    live.wait_for(lambda: len(live.tree(target.pid)) == 4, "the shell's children")
    pids = live.tree(target.pid)
    live.wait_for(lambda: "sleep" in live.status(pids[-1]).get("Name", ""), "sleep")
    live.stasis("dump", "-t", target.pid, "-D", folder, code=0)
    target.wait()
    live.wait_for(lambda: not any(map(live.is_alive, pids)), "the end of the dumped tree")
    for stats in folder.glob("stats-*"):
        stats.unlink()
    yield folder, pids
    assert not any(map(live.is_alive, pids))


def copy(folder, tmp_path):
    target = tmp_path / "images"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    return target


def load(folder):
    """Everything that restore does before it creates something."""
    done = live.stasis("restore", "--dry-run", "-v", "-D", folder, program=STASIS)
    assert done.returncode in (0, 1), (done.returncode, done.stderr)
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    assert done.returncode == 0 or re.search(r"\[E-[A-Z-]+\]", done.stderr), done.stderr
    return done


def flip(data, at, bit):
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1:]


def damages(name, data, pick):
    """(what, bytes) of one file, those that find most first. None: the file is missing."""
    yield "missing", None
    yield "empty", b""
    at = pick.randrange(len(data))
    yield f"cut at {at}", data[:at]
    for turn in range(6):
        at = pick.randrange(8 if len(data) > 8 and turn else 0, len(data))
        yield f"bit flipped at {at}", flip(data, at, pick.randrange(8))
    if len(data) > 12:
        yield "first record of 4 GiB", data[:8] + b"\xff\xff\xff\xff" + data[12:]
        at = pick.randrange(12, len(data))
        yield f"count of 2^32 at {at}", data[:at] + b"\xff\xff\xff\xff\x0f" + data[at + 5:]
        yield f"id of 2^63 at {at}", data[:at] + b"\xff" * 8 + b"\x7f" + data[at + 9:]
        yield "records twice", data + data[8:]
    for at in (4, 7, 11, len(data) - 1):
        yield f"cut at {at}", data[:at]


def test_whole_images_are_loaded(dumped):
    assert load(dumped[0]).returncode == 0


def test_manifest_tells_of_every_flipped_bit(dumped, tmp_path):
    """A real restore: it says so, and leaves nothing behind."""
    folder, pids = dumped
    pick = random.Random(2)
    for path in sorted(folder.iterdir()):
        images, data = copy(folder, tmp_path), path.read_bytes()
        if not data:
            continue
        (images / path.name).write_bytes(flip(data, pick.randrange(len(data)), pick.randrange(8)))
        done = live.stasis("restore", "-d", "-D", images)
        assert done.returncode == 1 and "[E-IMAGE" in done.stderr, (path.name, done.returncode, done.stderr)
        # Contents are compared while they are moved: a tree that began to be built for them goes again.
        live.wait_for(lambda: path.name.startswith("pages-") and not any(map(live.is_alive, pids))
                      or not any(map(live.is_there, pids)), (path.name, done.stderr), seconds=10)


def test_damage_without_a_manifest(dumped, tmp_path):
    folder, pids = dumped
    pick, cases = random.Random(3), []
    for path in sorted(folder.iterdir()):
        if "manifest" not in path.name and path.stat().st_size:
            cases += [(rank, path.name, *case) for rank, case in enumerate(damages(path.name, path.read_bytes(), pick))]
    pick.shuffle(cases)
    cases.sort(key=lambda case: case[0] > 2)
    refused = 0
    for _, name, what, data in cases[:LOADS]:
        images = copy(folder, tmp_path)
        for manifest in images.glob("stasis-manifest*"):
            manifest.unlink()
        if data is None:
            (images / name).unlink()
        else:
            (images / name).write_bytes(data)
        try:
            refused += load(images).returncode
        except AssertionError as e:
            raise AssertionError(f"{name}: {what}: {e}") from e
    print(f"{len(cases[:LOADS])} damaged dumps, {refused} refused")
    assert refused > LOADS // 3
    assert not any(map(live.is_alive, pids))


def varint(n):
    out = bytearray()
    while n > 0x7f:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    return bytes(out + bytes([n]))


def test_parents_in_a_circle(dumped, tmp_path):
    """Every task of pstree gets the next one as its parent; a task that is its own; one that is missing."""
    folder, pids = dumped
    whole = (folder / "pstree.img").read_bytes()

    def tree(parents):
        out = whole[:8]
        for pid, parent in parents:
            body = b"".join(bytes([field << 3]) + varint(value)
                            for field, value in ((1, pid), (2, parent), (3, pids[0]), (4, pids[0]), (5, pid)))
            out += len(body).to_bytes(4, "little") + body
        return out

    for parents in (
        list(zip(pids, pids[1:] + pids[:1])),
        [(pids[0], 0), (pids[1], pids[1])],
        [(pids[0], 0), (pids[1], 4000000)],
        [(pids[0], 0), (pids[1], pids[2]), (pids[2], pids[1])],
        [(pids[0], 0), (pids[0], pids[0])],
        [(pids[0], 0), (pids[1], 0)],
    ):
        images = copy(folder, tmp_path)
        for manifest in images.glob("stasis-manifest*"):
            manifest.unlink()
        (images / "pstree.img").write_bytes(tree(parents))
        done = load(images)
        assert done.returncode == 1 and "E-IMAGE-DAMAGED" in done.stderr, (parents, done.stderr)
