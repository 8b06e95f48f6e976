"""Dumps and restores through the front door: what callers see beside the tree itself."""
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import threading
import time

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="dump and restore need root")


def start(script):
    """A session of its own without open files of ours."""
    child = subprocess.Popen(["setsid", "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, cwd="/")
    for _ in range(500):
        if pathlib.Path(f"/proc/{child.pid}/comm").read_text() == "sh\n":
            break
        time.sleep(0.01)
    time.sleep(0.05)
    threading.Thread(target=child.wait, daemon=True).start()  # or its pid stays taken
    return child


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def end(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    for _ in range(500):
        if not is_alive(pid):
            return
        time.sleep(0.01)


@pytest.fixture
def tree():
    """Two tasks that wait; pid of the root."""
    child = start("sleep 1000; exit 7")
    yield child.pid
    end(child.pid)


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def test_dump_and_restore(stasis, tree, images):
    done = stasis("dump", "-t", tree, "-D", images, code=0)
    assert re.search(r"^dumped 2 tasks, 2 threads, \d+ files, .+ in .+, frozen .+\n$", done.stderr)
    assert not is_alive(tree)
    assert done.stdout == ""
    done = stasis("restore", "-d", "-D", images, code=0)
    assert re.search(r"^restored 2 tasks, 2 threads, ", done.stderr)
    assert is_alive(tree)


def test_dump_leaves_the_tree_as_asked(stasis, tree, images):
    stasis("dump", "-t", tree, "-D", images, "-R", "-q", code=0)
    assert is_alive(tree)
    stasis("dump", "-t", tree, "-D", images, "-s", "-q", code=0)
    state = pathlib.Path(f"/proc/{tree}/stat").read_text().rsplit(")", 1)[1].split()[0]
    assert state == "T"


def test_foreground_passes_on_the_exit_status(stasis, criu, images):
    for program, want in ((stasis, 7), (criu, 0)):
        child = start("sleep 2; exit 7")
        program("dump", "-t", child.pid, "-D", images, code=0)
        program("restore", "-D", images, code=want)
        assert not is_alive(child.pid)


def test_foreground_says_how_a_signal_ended_it(stasis, images):
    child = start("sleep 2; kill -9 $$")
    stasis("dump", "-t", child.pid, "-D", images, code=0)
    stasis("restore", "-D", images, code=128 + 9)


def test_json(stasis, tree, images):
    dump = stasis.json("dump", "-t", tree, "-D", images)
    assert dump["stats"]["counts"]["tasks"] == 2
    assert dump["stats"]["times_us"]["frozen_time"] > 0
    assert dump["summary"].startswith("dumped 2 tasks")
    assert stasis.json("verify", images)["result"]["damaged"] == 0
    restore = stasis.json("restore", "-d", "-D", images)
    assert restore["result"]["root_pid"] == tree
    ids = stasis.json("tree", "-t", tree)["result"]
    assert str(tree) in json.dumps(ids)
    shown = json.loads(stasis("show", "--json", images, code=0).stdout)
    assert shown["inventory.img"]["magic"] == "INVENTORY"
    assert json.loads(stasis("show", "--json", images / "pstree.img", code=0).stdout)["magic"] == "PSTREE"


def test_check_says_what_a_dump_would_be(stasis, tree):
    done = stasis("check", "-t", tree, code=0)
    assert "could dump 2 tasks" in done.stderr
    assert is_alive(tree)


def test_no_such_task(stasis, criu, images):
    assert "[E-NO-SUCH-TASK]" in stasis("dump", "-t", 999999999, "-D", images, code=1).stderr
    criu("dump", "-t", 999999999, "-D", images, "-o", "dump.log", code=1)
    assert "Error (" in (images / "dump.log").read_text()
    assert "[E-NO-SUCH-TASK]" in stasis("check", "-t", 999999999, code=1).stderr
    assert "[E-NO-SUCH-TASK]" in stasis("tree", "-t", 999999999, code=1).stderr
    assert not (images / "inventory.img").exists()


def test_pid_file(criu, tree, images, tmp_path):
    (images / "root.pid").write_text("somebody else's")
    criu("dump", "-t", tree, "-D", images, "--pidfile", "root.pid", code=0)
    assert (images / "root.pid").read_text() == "somebody else's"
    criu("restore", "-d", "-D", images, "--pidfile", "root.pid", code=1)
    assert not is_alive(tree)
    criu("restore", "-d", "-D", images, "--pidfile", tmp_path / "root.pid", code=0)
    assert (tmp_path / "root.pid").read_text() == str(tree)


def test_status_descriptor(criu, tree, images):
    criu("dump", "-t", tree, "-D", images, code=0)
    ours, theirs = os.pipe()
    criu("restore", "-d", "-D", images, "--status-fd", theirs, code=0, pass_fds=[theirs])
    os.close(theirs)
    assert os.read(ours, 10) == b"\0"
    assert os.read(ours, 10) == b""
    os.close(ours)


def test_action_scripts(criu, tree, images, tmp_path):
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntest -d $CRTOOLS_IMAGE_DIR || exit 1\n"
                      f"echo $CRTOOLS_SCRIPT_ACTION ${{CRTOOLS_INIT_PID:-none}} >>{tmp_path}/said\n")
    script.chmod(0o700)
    criu("dump", "-t", tree, "-D", images, "--action-script", script, code=0)
    criu("restore", "-d", "-D", images, "--action-script", script, code=0)
    said = [line.split() for line in (tmp_path / "said").read_text().splitlines()]
    order = [name for name, _ in said]
    assert order == sorted(order, key=[
        "pre-dump", "network-lock", "post-dump", "pre-restore", "setup-namespaces", "post-setup-namespaces",
        "post-restore", "network-unlock", "pre-resume", "post-resume"].index)
    assert {"pre-dump", "post-dump", "pre-restore", "post-restore", "pre-resume", "post-resume"} <= set(order)
    assert {pid for name, pid in said if name in ("post-dump", "post-restore", "pre-resume")} == {str(tree)}
    assert dict(said)["pre-dump"] == "none"


@pytest.mark.parametrize("moment", ["pre-dump", "post-dump"])
def test_a_script_can_end_a_dump(criu, tree, images, tmp_path, moment):
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\n[ $CRTOOLS_SCRIPT_ACTION != {moment} ]\n")
    script.chmod(0o700)
    done = criu("dump", "-t", tree, "-D", images, "--action-script", script, code=1)
    assert "exited with 1" in done.stderr
    assert is_alive(tree)


@pytest.mark.parametrize("moment", ["pre-restore", "post-restore", "pre-resume"])
def test_a_script_can_end_a_restore(criu, tree, images, tmp_path, moment):
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\n[ $CRTOOLS_SCRIPT_ACTION != {moment} ]\n")
    script.chmod(0o700)
    criu("dump", "-t", tree, "-D", images, code=0)
    criu("restore", "-d", "-D", images, "--action-script", script, "--pidfile", tmp_path / "pid", code=1)
    time.sleep(0.1)
    assert not is_alive(tree)
    assert not (tmp_path / "pid").exists()
    criu("restore", "-d", "-D", images, code=0)


def read_stats(path):
    """The two magic words, and the message's bytes."""
    data = path.read_bytes()
    lead, magic, size = struct.unpack_from("<III", data)
    assert (lead, magic) == (0x55105940, 0x57093306)
    assert size == len(data) - 12
    return data[12:]


def test_statistics_files(criu, tree, images, tmp_path):
    (tmp_path / "work").mkdir()
    done = criu("dump", "-t", tree, "-D", images, "-W", "work", "--display-stats", code=0)
    assert "frozen_time" in done.stdout
    assert read_stats(tmp_path / "work/stats-dump")
    criu("restore", "-d", "-D", images, code=0)
    assert read_stats(images / "stats-restore")
    assert not (images / "stats-dump").exists()


def test_command_after_the_restore(criu, images, tmp_path):
    """--exec-cmd: the command becomes the parent of the restored root."""
    child = start("sleep 1000; exit 7")
    criu("dump", "-t", child.pid, "-D", images, code=0)
    done = criu("restore", "-D", images, "--exec-cmd", "--", "sh", "-c",
                f"cat /proc/{child.pid}/stat; echo $$; kill -9 {child.pid}; exit 5", code=5)
    stat, own = done.stdout.strip().splitlines()
    assert stat.rsplit(")", 1)[1].split()[1] == own
    end(child.pid)


def test_dry_run_prints_the_plan_and_makes_nothing(stasis, tree, images):
    stasis("dump", "-t", tree, "-D", images, code=0)
    done = stasis("restore", "-n", "-D", images, code=0)
    assert str(tree) in done.stdout
    assert not is_alive(tree)


def test_pid_taken(stasis, tree, images):
    stasis("dump", "-t", tree, "-D", images, "-R", code=0)
    done = stasis("restore", "-d", "-D", images, code=1)
    assert "[E-PID-TAKEN]" in done.stderr
    assert is_alive(tree)


def test_images_that_are_not_there(stasis, images):
    for command in (["restore", "-D", images], ["verify", images], ["show", images]):
        assert "[E-IMAGE-MISSING]" in stasis(*command, code=1).stderr


def test_damage_is_found(stasis, tree, images):
    stasis("dump", "-t", tree, "-D", images, code=0)
    core = images / f"core-{tree}.img"
    good = core.read_bytes()
    for bad in (good[:-3], good[:30] + bytes([good[30] ^ 1]) + good[31:], b""):
        core.write_bytes(bad)
        assert "[E-IMAGE-" in stasis("verify", images, code=1).stderr
        done = stasis("restore", "-d", "-D", images, code=1)
        assert "[E-IMAGE-" in done.stderr
        assert f"core-{tree}.img" in done.stderr
        assert not is_alive(tree)
    core.write_bytes(good)
    stasis("restore", "-d", "-D", images, code=0)


def test_root_is_needed(stasis):
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", stasis.program, "tree", "-t", "1"],
                          capture_output=True, text=True)
    if "setpriv" in done.stderr or done.returncode == 126:
        pytest.skip("the program cannot be read by others here")
    assert done.returncode == 1 and "[E-NO-PRIVILEGE]" in done.stderr


def test_a_reader_that_goes_away_is_no_trouble(stasis, tree, images):
    stasis("dump", "-t", tree, "-D", images, code=0)
    done = subprocess.run(["bash", "-c", f'"{stasis.program}" show {images} | head -1; exit ${{PIPESTATUS[0]}}'],
                          capture_output=True, text=True)
    assert done.stderr == ""


def change_vdso(images):
    """Makes the stored vDSOs another kernel's: one function lies elsewhere. How many there were."""
    changed = 0
    for path in images.glob("pages-*.img"):
        data = bytearray(path.read_bytes())
        for page in range(0, len(data), 4096):
            if data[page:page + 4] != b"\x7fELF" or b"linux-vdso.so.1" not in data[page:page + 8192]:
                continue
            image = data[page:page + 8192]
            headers = section_headers(image)
            dynsym = next(h for h in headers if struct.unpack_from("<I", image, h + 4)[0] == 11)  # SHT_DYNSYM
            symbols = struct.unpack_from("<QQ", image, dynsym + 24)
            strings = struct.unpack_from("<Q", image, headers[struct.unpack_from("<I", image, dynsym + 40)[0]] + 24)
            for at in range(symbols[0], symbols[0] + symbols[1], 24):
                name = struct.unpack_from("<I", image, at)[0]
                if image[strings[0] + name:].split(b"\0")[0] == b"__vdso_getcpu":
                    value = struct.unpack_from("<Q", image, at + 8)[0]
                    struct.pack_into("<Q", data, page + at + 8, value + 32)
                    path.write_bytes(data)
                    changed += 1
    return changed


def section_headers(image):
    start, = struct.unpack_from("<Q", image, 40)
    size, count = struct.unpack_from("<HH", image, 58)
    return [start + i * size for i in range(count)]


def test_vdso_of_another_kernel(stasis, tmp_path, images):
    """Its functions are led to this kernel's: the program asks for the time all the while."""
    out = tmp_path / "out"
    child = start(f"/usr/bin/python3 -c 'import time\nwhile True: open(\"{out}\", \"a\").write(f\"{{time.time()}}\\n\"); time.sleep(0.02)'; true")
    try:
        for _ in range(500):
            if out.exists() and out.read_text().count("\n") > 3:
                break
            time.sleep(0.01)
        python = int(pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text())
        place = re.search(r"^(\w+)-\w+ .*\[vdso\]$", pathlib.Path(f"/proc/{python}/maps").read_text(), re.M)[1]
        stasis("dump", "-t", child.pid, "-D", images, code=0)
        assert change_vdso(images) == 2
        (images / "stasis-manifest.img").unlink()
        lines = out.read_text().count("\n")
        stasis("restore", "-d", "-D", images, code=0)
        for _ in range(500):
            if out.read_text().count("\n") > lines + 5:
                break
            time.sleep(0.01)
        seen = [float(line) for line in out.read_text().splitlines()]
        assert len(seen) > lines + 5
        assert abs(seen[-1] - time.time()) < 5 and sorted(seen) == seen
        maps = pathlib.Path(f"/proc/{python}/maps").read_text()
        assert re.search(rf"^{place}-\w+ r-xp .* 0 *$", maps, re.M)  # the old one's pages, no vDSO any more
        assert "[vdso]" in maps and f"{place}-" in maps
    finally:
        end(child.pid)
