"""The command line from outside: what is printed, where, and with which exit code."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
STASIS = pathlib.Path(os.environ.get("STASIS", ROOT / "build/src/cli/stasis"))


class Run:
    """One run of the program, in a directory of its own, without anybody's configuration files."""

    def __init__(self, program, cwd):
        self.program, self.cwd = program, cwd
        self.env = {k: v for k, v in os.environ.items() if k not in ("DEBUG", "CRIU_CONFIG_FILE", "STASIS_CONFIG_FILE")}
        self.env["HOME"] = str(cwd)

    def __call__(self, *words, code=None, **options):
        done = subprocess.run(
            [str(self.program), *map(str, words)],
            cwd=self.cwd, env=self.env, capture_output=True, text=True, timeout=60, **options,
        )
        if code is not None:
            assert done.returncode == code, (words, done.stdout, done.stderr)
        return done

    def json(self, *words, code=0):
        done = self(*words, "--json", code=code)
        result = json.loads(done.stdout)
        assert result["exit_code"] == code
        assert result["ok"] == (code == 0)
        return result


@pytest.fixture
def stasis(tmp_path):
    return Run(STASIS, tmp_path)


@pytest.fixture
def criu(tmp_path):
    link = tmp_path / "bin" / "criu"
    link.parent.mkdir()
    link.symlink_to(STASIS)
    return Run(link, tmp_path)


@pytest.fixture
def sleeper():
    """A process that does nothing, for somebody to look at."""
    child = subprocess.Popen(["sleep", "60"], start_new_session=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield child
    child.kill()
    child.wait()
