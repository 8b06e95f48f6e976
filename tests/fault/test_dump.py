"""A dump that fails or dies leaves the tree running as it was."""
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

import live
from conftest import check_undisturbed, needs_root

pytestmark = needs_root
KILLS = int(os.environ.get("STASIS_KILLS", "300"))


def dump(target, folder, *words, prefix=(), **options):
    command = [*prefix, live.STASIS, "dump", "-t", target.pid, "-D", folder, *words]
    return live.stasis(*command[1:], program=command[0], **options)


def dump_fails(target, folder, *words, says=None, **options):
    """A dump that must fail with a record, after which the target is as before."""
    done = dump(target, folder, *words, **options)
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert "[E-" in done.stderr, done.stderr
    assert says is None or says in done.stderr, done.stderr
    check_undisturbed(target)
    return done


def test_dump_leaves_a_running_target_as_it_was(busy, images):
    for _ in range(3):
        dump(busy, images(), "--leave-running", code=0)
        check_undisturbed(busy)


def test_check_and_tree_leave_the_target_as_it_was(busy):
    live.stasis("check", "-t", busy.pid, code=0)
    check_undisturbed(busy)
    live.stasis("tree", "-t", busy.pid, code=0)
    check_undisturbed(busy)


def test_bad_directories(busy, tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "nowhere", tmp_path / "file", "/proc/self"):
        dump_fails(busy, folder)


def test_directory_that_holds_a_dump_already(busy, images):
    """Is written anew; a failure on the way leaves no inventory that vouches for a mixture."""
    folder = images()
    dump(busy, folder, "--leave-running", code=0)
    dump(busy, folder, "--leave-running", code=0)
    check_undisturbed(busy)
    dump_fails(busy, folder, prefix=("sh", "-c", 'trap "" XFSZ; ulimit -f 8; exec "$@"', "sh"))
    assert not (folder / "inventory.img").exists()


@pytest.mark.parametrize("size", ["16k", "64k", "128k"])
def test_full_disk(busy, images, size):
    folder = images()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        dump_fails(busy, folder, says="E-DISK-FULL")
        assert not (folder / "inventory.img").exists()
    finally:
        subprocess.run(["umount", folder], check=True)


def test_read_only_disk(busy, images):
    folder = images()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=True)
    try:
        dump_fails(busy, folder, says="Read-only file system")
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("limit", ["--nofile=12", "--nofile=20", "--nofile=40", "--as=40000000", "--as=20000000"])
def test_limits_of_our_own(busy, images, limit):
    """It may work with little, or fail with a record: never otherwise."""
    done = dump(busy, images(), "--leave-running", prefix=("prlimit", limit))
    assert done.returncode == 0 or "[E-" in done.stderr, (done.returncode, done.stderr)
    check_undisturbed(busy)


def test_files_that_may_not_grow(busy, images):
    dump_fails(busy, images(), prefix=("sh", "-c", 'trap "" XFSZ; ulimit -f 8; exec "$@"', "sh"))


def test_hook_that_fails(busy, images):
    script = images() / "hook"
    script.write_text('#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != post-dump ]\n')
    script.chmod(0o755)
    dump_fails(busy, images(), "--action-script", script)


def test_unsupported_object(images, tmp_path):
    """A descriptor of userfaultfd(2): whoever handles the faults cannot be stopped with them."""
    code = ("import ctypes, time\n"
            "fd = ctypes.CDLL(None).syscall(323, 0)\n"
            "open('ready' if fd == 3 else 'none', 'w').close()\n"
            "time.sleep(1000)\n")
    target = live.start("/usr/bin/python3", "-c", code, cwd=tmp_path)
    live.wait_for(lambda: (tmp_path / "ready").exists() or (tmp_path / "none").exists(), "its descriptor")
    if (tmp_path / "none").exists():
        live.kill_tree(target.pid)
        pytest.skip("no userfaultfd here")
    try:
        live.wait_for((tmp_path / "ready").exists, "the socket")
        before = live.mappings(target.pid)
        done = live.stasis("dump", "-t", target.pid, "-D", images(), code=1)
        assert "[E-" in done.stderr and "fd 3" in done.stderr
        assert not live.disturbed(target.pid)
        assert live.mappings(target.pid) == before
    finally:
        live.kill_tree(target.pid)


def test_target_that_ends_meanwhile(images, tmp_path):
    """Killed at any moment of a dump: a record or success, and no hang."""
    for _ in range(30):
        target = live.start("/bin/sleep", "100")
        done = subprocess.Popen([live.STASIS, "dump", "-t", str(target.pid), "-D", images(), "--leave-running"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                text=True)
        time.sleep(random.random() * 0.015)
        target.kill()
        said = done.communicate(timeout=30)[1]
        target.wait(timeout=30)
        assert done.returncode == 0 or (done.returncode == 1 and "[E-" in said), (done.returncode, said)


def typical_length(target, images):
    """How long a dump takes here and now, in seconds."""
    lengths = []
    for _ in range(5):
        folder = images()
        begin = time.monotonic()
        dump(target, folder, "--leave-running", code=0)
        lengths.append(time.monotonic() - begin)
        shutil.rmtree(folder)
    return sorted(lengths)[2]


def disturb(target, images, signo, times):
    """Sends signo to that many dumps at random moments; how each ended, and what it left."""
    length = typical_length(target, images)
    ends, left = {}, 0
    for turn in range(times):
        folder = images()
        dumper = subprocess.Popen(
            [live.STASIS, "dump", "-t", str(target.pid), "-D", folder, "--leave-running"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.random() * length * 1.1)
        dumper.send_signal(signo)
        code = dumper.wait(timeout=30)
        ends[code] = ends.get(code, 0) + 1
        try:
            left += check_undisturbed(target, may_leave=signo == signal.SIGKILL)
        except AssertionError as e:
            raise AssertionError(f"after {turn + 1} dumps, the last one ended with {code}: {e}") from e
        shutil.rmtree(folder)
    print(f"length {length * 1000:.1f} ms, ends {ends}, mappings left {left}")
    assert left <= times // 5
    return ends


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(busy, images, signo):
    ends = disturb(busy, images, signo, 40)
    # Before its handler is there the signal just kills it; afterwards it says that it was asked to stop.
    assert set(ends) <= {0, 1, -signo}
    assert 1 in ends


def test_killed(busy, images):
    ends = disturb(busy, images, signal.SIGKILL, KILLS)
    assert set(ends) <= {0, -signal.SIGKILL}
    assert ends[-signal.SIGKILL] > KILLS // 10


def test_killed_with_a_tree(trees, images):
    ends = disturb(trees(), images, signal.SIGKILL, max(KILLS // 6, 10))
    assert set(ends) <= {0, -signal.SIGKILL}
