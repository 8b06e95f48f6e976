"""Live processes for tests in Python: started, dumped, restored, looked at. Used by fault/ and apps/."""
import os
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
STASIS = pathlib.Path(os.environ.get("STASIS", ROOT / "build/src/cli/stasis")).absolute()
BUILD = STASIS.parents[2]
SECONDS = 20  # for anything to happen that does happen


def wait_for(condition, what, seconds=SECONDS):
    """Polls until condition() is true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"still waiting after {seconds} s: {what}"
        time.sleep(0.002)


def status(pid, tid=None):
    """The fields of /proc/PID/task/TID/status, or {} when there is no such thread."""
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{tid or pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def threads(pid):
    try:
        return [int(tid) for tid in os.listdir(f"/proc/{pid}/task")]
    except (FileNotFoundError, ProcessLookupError):
        return []


def children(pid):
    found = []
    for tid in threads(pid):
        try:
            found += map(int, pathlib.Path(f"/proc/{pid}/task/{tid}/children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def tree(pid):
    """The pids of a tree, root first."""
    found = [pid]
    for one in found:
        found += children(one)
    return found


def is_there(pid):
    return bool(status(pid))


def is_alive(pid):
    return status(pid).get("State", "Z")[0] not in "ZX"


def disturbed(pid):
    """What a dump has left behind in the threads of a process that should run: [] is good."""
    traces = []
    for tid in threads(pid):
        state = status(pid, tid)
        if state and (state["TracerPid"] != "0" or state["State"][0] in "tT"):
            traces.append((tid, state["State"], "tracer " + state["TracerPid"]))
    return traces


def mappings(pid):
    """What is mapped: neighbours that look alike are one. Of the heap and the stack only that they are there."""
    found = []
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        words = line.split(maxsplit=5)
        begin, end = words[0].split("-")
        name = words[5] if len(words) == 6 else ""
        if name in ("[heap]", "[stack]"):
            found.append((name, name, words[1], name))
        elif found and found[-1][1] == begin and found[-1][2:] == (words[1], name):
            found[-1] = (found[-1][0], end, words[1], name)
        else:
            found.append((begin, end, words[1], name))
    return found


def start(*words, out=subprocess.DEVNULL, pass_fd=None, **options):
    """A session of its own without a terminal. pass_fd becomes the program's descriptor 3."""
    def place():
        if pass_fd is not None:
            os.dup2(pass_fd, 3)

    return subprocess.Popen(
        [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        start_new_session=True, preexec_fn=place, pass_fds=() if pass_fd is None else (3,), **options)


def stasis(*words, program=STASIS, code=None, timeout=60, **options):
    done = subprocess.run([str(word) for word in (program, *words)], stdin=subprocess.DEVNULL,
                          capture_output=True, encoding="utf-8", errors="replace",
                          timeout=timeout, **options)
    if code is not None:
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done


def reap(pids):
    """Takes note of the ends of those that are dead and children of ours."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


def kill_tree(pid):
    """Ends a process and its descendants, and waits until they are gone or dead."""
    pids = tree(pid)
    for one in pids:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for one in pids:
        try:
            os.waitpid(one, 0)
        except ChildProcessError:
            pass
    wait_for(lambda: not any(map(is_alive, pids)), "the end of what was killed")
    return pids
