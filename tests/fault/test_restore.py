"""A restore that fails or dies leaves no half-built process behind, and the images as they were."""
import ctypes
import hashlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import pytest

import live
from conftest import check_undisturbed, needs_root

pytestmark = needs_root
KILLS = max(int(os.environ.get("STASIS_KILLS", "300")) // 3, 10)


def sums(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()
            if path.name != "stats-restore"}


class Stored:
    """A tree that was dumped and is gone, and a copy of stasis that nobody else runs."""

    def __init__(self, target, folder, tmp_path):
        self.target, self.folder = target, folder
        self.stasis = tmp_path / "stasis"
        shutil.copy(live.STASIS, self.stasis)
        live.stasis("dump", "-t", target.pid, "-D", folder, code=0)
        target.process.wait()
        live.wait_for(lambda: not self.left(), "the end of the dumped tree")
        self.sums = sums(folder)

    def left(self):
        """Live processes with pids of the tree, and those that run our programs. Reaps the dead: we adopt orphans."""
        live.reap(self.target.pids)
        found = {pid for pid in self.target.pids if live.is_there(pid)}
        programs = {str(self.stasis), str(self.target.program)}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/exe") in programs:
                    found.add(int(pid))
            except OSError:
                pass
        return found

    def restore(self, *words, prefix=(), **options):
        command = [*prefix, self.stasis, "restore", "-d", "-D", self.folder, *words]
        return live.stasis(*command[1:], program=command[0], **options)

    def check_nothing_left(self):
        live.wait_for(lambda: not self.left(), "the end of a half-built tree", seconds=10)
        assert sums(self.folder) == self.sums

    def goes_on(self):
        """Whether all of the tree's threads get on with their work."""
        before = self.target.progress()
        time.sleep(0.02)
        return all(now > then for now, then in zip(self.target.progress(), before))

    def check_whole_and_end(self):
        """The tree is complete and runs; ends it."""
        assert set(live.tree(self.target.pid)) == set(self.target.pids)
        check_undisturbed(self.target)
        live.kill_tree(self.target.pid)
        self.check_nothing_left()

    def fails(self, *words, says=None, **options):
        done = self.restore(*words, **options)
        assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
        assert "[E-" in done.stderr, done.stderr
        assert says is None or says in done.stderr, done.stderr
        self.check_nothing_left()


@pytest.fixture(scope="module", autouse=True)
def adopting():
    """Some init processes take their time to reap; here orphans become our children."""
    PR_SET_CHILD_SUBREAPER = 36
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def stored(trees, images, tmp_path):
    return Stored(trees(), images(), tmp_path)


def test_restore_works_again_and_again(stored):
    for _ in range(3):
        stored.restore(code=0)
        stored.check_whole_and_end()


def test_hooks_that_fail(stored, tmp_path):
    for action in ("pre-restore", "post-restore", "pre-resume"):
        script = tmp_path / "hook"
        script.write_text(f'#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != {action} ]\n')
        script.chmod(0o755)
        stored.fails("--action-script", script)


def test_file_that_is_missing(stored):
    board = pathlib.Path(stored.target.board.file.name)
    board.rename(board.with_suffix(".away"))
    stored.fails(says="board")
    board.with_suffix(".away").rename(board)
    stored.restore(code=0)
    stored.check_whole_and_end()


def test_pid_that_is_taken(trees, images):
    """By the tree itself, which goes on running; nobody touches it."""
    target, folder = trees(), images()
    live.stasis("dump", "-t", target.pid, "-D", folder, "--leave-running", code=0)
    before = sums(folder)
    done = live.stasis("restore", "-d", "-D", folder, code=1)
    assert "E-PID-TAKEN" in done.stderr
    check_undisturbed(target)
    assert sums(folder) == before


@pytest.mark.parametrize("limit", ["--nofile=12", "--nofile=20", "--nofile=40", "--as=20000000", "--as=100000000"])
def test_limits_of_our_own(stored, limit):
    done = stored.restore(prefix=("prlimit", limit))
    if done.returncode == 0:
        stored.check_whole_and_end()
    else:
        assert "[E-" in done.stderr, (done.returncode, done.stderr)
        stored.check_nothing_left()


def test_contents_that_are_damaged(stored):
    """The manifest tells; without it the pagemap's references are checked."""
    pages = sorted(stored.folder.glob("pages-*.img"))[0]
    whole = pages.read_bytes()
    pages.write_bytes(whole[:len(whole) // 2])
    stored.sums = sums(stored.folder)
    stored.fails(says="E-IMAGE-")


def typical_length(stored):
    lengths = []
    for _ in range(3):
        begin = time.monotonic()
        stored.restore(code=0)
        lengths.append(time.monotonic() - begin)
        stored.check_whole_and_end()
    return sorted(lengths)[1]


def disturb(stored, signo, times):
    length, ends = typical_length(stored), {}
    for turn in range(times):
        restorer = subprocess.Popen([stored.stasis, "restore", "-d", "-D", stored.folder],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
        time.sleep(random.random() * length * 1.1)
        restorer.send_signal(signo)
        code = restorer.wait(timeout=30)
        try:
            # Let go already: then it is whole. Everything else ends with its maker.
            live.wait_for(lambda: not stored.left() or stored.goes_on(), "a whole tree or none", seconds=5)
            whole = bool(stored.left())
            if whole:
                stored.check_whole_and_end()
            stored.check_nothing_left()
        except AssertionError as e:
            left = {pid: live.status(pid).get("State") for pid in stored.left()}
            raise AssertionError(f"after {turn + 1} restores, the last ended with {code}, left {left}: {e}") from e
        ends[(code, whole)] = ends.get((code, whole), 0) + 1
    print(f"length {length * 1000:.1f} ms, ends (exit code, whole tree) {ends}")
    return ends


def test_killed(stored):
    ends = disturb(stored, signal.SIGKILL, KILLS)
    assert ends.get((-signal.SIGKILL, False), 0) > KILLS // 10


def test_interrupted(stored):
    ends = disturb(stored, signal.SIGINT, 20)
    assert {code for code, _ in ends} <= {0, 1, -signal.SIGINT}
