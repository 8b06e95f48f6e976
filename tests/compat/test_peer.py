"""Images that cross over: CRIU restores what we dumped, and we restore what CRIU dumped.

Needs a CRIU 4.2 given by path (CRIU=/path/to/criu); without one these tests are skipped and say so.
"""
import os
import pathlib
import subprocess
import time

import pytest

CRIU = os.environ.get("CRIU")
ROOT = pathlib.Path(__file__).resolve().parents[2]
STASIS = pathlib.Path(os.environ.get("STASIS", ROOT / "build/src/cli/stasis"))

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="dump and restore need root"),
    pytest.mark.skipif(not CRIU, reason="no CRIU was given by path (CRIU=...)"),
]

# Counts into a file from two threads and a child, with a pipe, a deleted file and shared memory in use.
PROGRAM = """
import mmap, os, sys, threading, time
out = open(sys.argv[1], "a", buffering=1)
deleted = open(sys.argv[1] + ".deleted", "w+"); os.unlink(deleted.name); deleted.write("kept"); deleted.flush()
r, w = os.pipe(); os.write(w, b"in the pipe")
shared = mmap.mmap(-1, 4096)
child = os.fork()
if child == 0:
    while True:
        shared[0] = (shared[0] + 1) % 250
        time.sleep(0.02)
def second():
    n = 0
    while True:
        n += 1; out.write(f"thread {n}\\n"); time.sleep(0.03)
threading.Thread(target=second, daemon=True).start()
n = 0
while True:
    n += 1
    if os.path.exists(sys.argv[1] + ".check"):
        deleted.seek(0)
        before = shared[0]; time.sleep(0.2)
        out.write(f"check {deleted.read()} {os.read(r, 99).decode()} {shared[0] != before}\\n")
        os.kill(child, 9); os._exit(0)
    out.write(f"main {n}\\n"); time.sleep(0.03)
"""


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def numbers(out, who):
    return [int(line.split()[1]) for line in out.read_text().splitlines() if line.startswith(who + " ")]


@pytest.mark.parametrize("dumper, restorer", [(STASIS, CRIU), (CRIU, STASIS)], ids=["ours-to-criu", "criu-to-ours"])
def test_goes_on(tmp_path, dumper, restorer):
    criu_link = tmp_path / "criu"
    os.link(STASIS, criu_link) if STASIS.stat().st_dev == tmp_path.stat().st_dev else criu_link.symlink_to(STASIS)
    program = {STASIS: criu_link, CRIU: CRIU}
    out, images = tmp_path / "out", tmp_path / "images"
    images.mkdir()
    child = subprocess.Popen(["/usr/bin/python3", "-c", PROGRAM, str(out)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/")
    assert wait_until(lambda: out.exists() and numbers(out, "main") and numbers(out, "thread"))
    done = subprocess.run([program[dumper], "dump", "-t", str(child.pid), "-D", images, "-v4", "-o", "dump.log"])
    assert done.returncode == 0, (images / "dump.log").read_text()[-2000:]
    child.wait()
    assert wait_until(lambda: not pathlib.Path(f"/proc/{child.pid}").exists() and not has_task(images))
    main, thread = numbers(out, "main")[-1], numbers(out, "thread")[-1]
    done = subprocess.run([program[restorer], "restore", "-d", "-D", images, "-v4", "-o", "restore.log"])
    assert done.returncode == 0, (images / "restore.log").read_text()[-2000:]
    assert wait_until(lambda: numbers(out, "main")[-1] > main and numbers(out, "thread")[-1] > thread)
    pathlib.Path(str(out) + ".check").touch()
    assert wait_until(lambda: "check" in out.read_text())
    assert out.read_text().splitlines()[-1] == "check kept in the pipe True"
    assert sorted(set(numbers(out, "main"))) == list(range(1, numbers(out, "main")[-1] + 1))


def has_task(images):
    """Whether any pid of the dump is still taken (init reaps in its own time)."""
    pids = [p.name[len("core-"):-len(".img")] for p in images.glob("core-*.img")]
    return any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids)
