"""The targets: programs that check themselves, and tell what they saw on a shared page."""
import mmap
import os
import pathlib
import shutil
import struct
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import live  # noqa: E402

TARGET = live.BUILD / "tests/unit/inject/inject-target"
TREE = live.BUILD / "tests/fault/fault-tree"


class Board:
    """The page that a target shares with us, in a regular file."""

    def __init__(self, path):
        self.file = open(path, "w+b")
        self.file.truncate(4096)
        self.page = mmap.mmap(self.file.fileno(), 4096)

    def u32(self, offset):
        return struct.unpack_from("I", self.page, offset)[0]

    def u64s(self, offset, n):
        return struct.unpack_from(f"{n}Q", self.page, offset)


class Busy:
    """unit/inject/target.c: nine threads, one for each way of computing or waiting."""

    JOBS = "CqsfrpPuw"

    def __init__(self, folder):
        self.board = Board(folder / "board")
        self.process = live.start(TARGET, self.JOBS, pass_fd=self.board.file.fileno())
        self.pid = self.process.pid
        live.wait_for(lambda: self.board.u32(0) > len(self.JOBS), "the target's threads")
        self.mappings = live.mappings(self.pid)

    def progress(self):
        return self.board.u64s(280, len(self.JOBS))

    def failures(self):
        what = bytes(self.board.page[24:280]).split(b"\0")[0].decode(errors="replace")
        return (self.board.u32(4), what) if self.board.u32(4) else None


class Tree:
    """fault/tree.c: sessions, groups, threads, an orphan, dead children."""

    SLOTS = 10

    def __init__(self, folder):
        self.program = folder / "a-program-of-its-own"
        shutil.copy(TREE, self.program)
        self.board = Board(folder / "board")
        self.process = live.start(self.program, pass_fd=self.board.file.fileno())
        self.pid = self.process.pid
        live.wait_for(lambda: self.board.u32(0) == self.SLOTS and len(live.tree(self.pid)) == 7,
                      "the tree's threads")
        self.pids = live.tree(self.pid)
        self.mappings = live.mappings(self.pid)

    def progress(self):
        return self.board.u64s(8, self.SLOTS)

    def failures(self):
        return self.board.u32(4) or None


def check_undisturbed(target, may_leave=False):
    """It runs, nobody traces it, it has no new mappings, all its threads get on, none complains.

    The memory that our code lived in can only be given back by a live stasis: with may_leave one such
    mapping more is accepted. True when there was one.
    """
    assert live.is_alive(target.pid)
    live.wait_for(lambda: not any(live.disturbed(p) for p in live.tree(target.pid)), "the tree's release")
    before = target.progress()
    end = time.monotonic() + live.SECONDS
    while not all(now > then for now, then in zip(target.progress(), before)):
        assert time.monotonic() < end, ("no progress", before, target.progress())
        time.sleep(0.001)
    assert target.failures() is None
    now = live.mappings(target.pid)
    if not may_leave or now == target.mappings:
        assert now == target.mappings
        return False
    others, before = ([m for m in maps if m[2:] != ("rwxp", "")] for maps in (now, target.mappings))
    assert others == before
    target.mappings = now
    return True


@pytest.fixture
def busy(tmp_path):
    target = Busy(tmp_path)
    yield target
    live.kill_tree(target.pid)


@pytest.fixture
def trees(tmp_path):
    """Makes trees; those that live at the end are killed."""
    made = []

    def make():
        made.append(Tree(tmp_path))
        return made[-1]

    yield make
    for target in made:
        for pid in target.pids:
            if live.is_there(pid):
                live.kill_tree(pid)


@pytest.fixture
def images(tmp_path):
    """Makes empty directories for images, in memory where that can be."""
    made = []
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path

    def make():
        made.append(pathlib.Path(tempfile.mkdtemp(prefix="stasis-fault-", dir=place)))
        return made[-1]

    yield make
    for path in made:
        shutil.rmtree(path, ignore_errors=True)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
