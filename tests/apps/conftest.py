"""Real programs: each writes what it does into a file `out`, is dumped half-way and restored."""
import os
import pathlib
import shutil
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import live  # noqa: E402


class App:
    """A program in a folder of its own."""

    def __init__(self, folder, *words, env=None, options=()):
        self.folder, self.images = folder, folder / "images"
        self.images.mkdir()
        self.options = options  # of dump and restore
        self.out = folder / "out"
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8", **(env or {})}
        with open(self.out, "wb") as out:
            self.process = live.start(*words, out=out, cwd=folder, env=environment)
        self.pid, self.restored = self.process.pid, False

    def text(self):
        return self.out.read_text(errors="replace")

    def wait_text(self, text, seconds=60):
        live.wait_for(lambda: text in self.text() or not self.is_alive(), f"{text!r} in {self.out}", seconds)
        assert text in self.text(), self.text()[-2000:]

    def is_alive(self):
        return live.is_alive(self.pid)

    def dump(self):
        """A task that ends just while it is being stopped makes for a refusal, and its remedy is to try again."""
        for _ in range(10):
            done = live.stasis("dump", "-t", self.pid, "-D", self.images, *self.options)
            if "[E-DYING]" not in done.stderr:
                break
        assert done.returncode == 0, self.text()[-500:] + done.stdout + done.stderr
        self.wait_end(10)
        return done

    def restore(self):
        """The root becomes a child of ours again."""
        live.stasis("restore", "-d", "--restore-sibling", "-D", self.images, *self.options, code=0)
        self.restored = True

    def around(self):
        """Dumped, seen to be gone, restored."""
        self.dump()
        assert not self.is_alive()
        self.restore()
        assert self.is_alive()

    def wait_end(self, seconds=120):
        """Its exit status, as wait tells it."""
        if not self.restored:
            return self.process.wait(seconds)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        raise AssertionError(f"did not end within {seconds} s; it wrote: {self.text()[-1000:]}")

    def end(self):
        if live.is_there(self.pid):
            live.kill_tree(self.pid)


@pytest.fixture
def app(tmp_path):
    """Starts a program; skips when it is not installed."""
    started = []

    def start(program, *words, **options):
        if not shutil.which(program, path="/usr/bin:/bin"):
            pytest.skip(f"{program} is not installed")
        started.append(App(tmp_path, shutil.which(program, path="/usr/bin:/bin"), *words, **options))
        return started[-1]

    yield start
    for one in started:
        one.end()


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root"))
