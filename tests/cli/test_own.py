"""Called as stasis."""
import os
import re
import subprocess

import pytest

COMMANDS = "dump restore check tree show verify explain".split()


def test_without_a_command_everything_is_shown(stasis):
    done = stasis(code=2)
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", done.stderr, re.M)
    assert done.stdout == ""


def test_help(stasis):
    assert "Usage: stasis COMMAND" in stasis("--help", code=0).stdout
    for command in COMMANDS:
        for words in ((command, "--help"), ("-h", command)):
            assert f"Usage: stasis {command}" in stasis(*words, code=0).stdout


def test_version(stasis):
    assert re.fullmatch(r"stasis \d+\.\d+\.\d+\n", stasis("--version", code=0).stdout)


@pytest.mark.parametrize("words, said", [
    (["dmup"], "Did you mean stasis dump?"),
    (["dump", "--no-such"], "there is no option --no-such"),
    (["dump", "-t"], "-t needs an argument"),
    (["dump"], "--tree is needed"),
    (["dump", "-t", "x"], 'cannot read "x"'),
    (["dump", "-t", "1", "more"], "too many words: more"),
    (["dump", "-t", "1", "--feature", "uffd"], "does not belong to the command dump"),
    (["dump", "-t", "1", "--lazy-pages"], "--lazy-pages is not built yet"),
    (["restore", "--restore-sibling"], "needs --restore-detached"),
    (["restore", "--ext-mount-map", "auto"], "there is no option --ext-mount-map"),
    (["pre-dump", "-t", "1"], "there is no command pre-dump"),
    (["explain", "E-NOTHING"], "there is no code E-NOTHING"),
    (["show"], "which directory"),
    (["check", "--feature", "no_such"], "there is no feature no_such"),
])
def test_mistakes_exit_with_2_and_are_named(stasis, words, said):
    done = stasis(*words, code=2)
    assert said in done.stderr
    assert re.search(r"\[E-[A-Z-]+\]", done.stderr)


def test_mistakes_in_json(stasis):
    findings = stasis.json("dump", "-t", "x", code=2)["findings"]
    assert findings[0]["code"] == "E-OPTION-VALUE"
    assert "--tree" in findings[0]["where"]


def test_every_code_is_explained(stasis):
    listed = [line.split()[0] for line in stasis("explain", code=0).stdout.splitlines()]
    assert len(listed) == len(set(listed)) > 40
    for code in listed:
        page = stasis("explain", code, code=0).stdout
        assert page.startswith(code + "\n\n")
        assert max(map(len, page.splitlines())) <= 110
    assert stasis("explain", "tty-outside", code=0).stdout.startswith("E-TTY-OUTSIDE")
    assert {c["code"] for c in stasis.json("explain")["result"]} == set(listed)


def test_check_lists_what_the_kernel_has(stasis):
    done = stasis("check", code=0)
    assert re.search(r"^yes +required +kcmp ", done.stdout, re.M)
    assert done.stderr == ""
    assert len(stasis("check", "--list", code=0).stdout.splitlines()) > len(done.stdout.splitlines())
    names = [f["name"] for f in stasis.json("check")["result"]]
    assert "pidfd_getfd" in names


def test_quiet(stasis):
    done = stasis("check", "--quiet", code=0)
    assert done.stdout == done.stderr == ""


def test_directory_that_is_missing(stasis):
    done = stasis("restore", "-D", "nowhere", code=1)
    assert "[E-IMAGES-DIR]" in done.stderr


def test_output_that_cannot_be_written_is_a_failure(stasis):
    with open("/dev/full", "w") as full:
        done = subprocess.run([stasis.program, "explain"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1


def test_own_configuration_files(stasis, tmp_path):
    (tmp_path / ".stasis").mkdir()
    (tmp_path / ".stasis/default.conf").write_text("quiet # no noise\n")
    assert stasis("check", code=0).stdout == ""
    assert stasis("check", "--no-default-config", code=0).stdout != ""
    (tmp_path / ".stasis/default.conf").write_text("verbosity\nfrobnicate 3\n")
    done = stasis("check", code=2)
    assert "default.conf: line 2: there is no option frobnicate [E-CONFIG]" in done.stderr
    assert "cannot open the configuration file" in stasis("check", "--config", "nowhere", code=1).stderr
    (tmp_path / "mine").write_text('log-file "a b.log"\nverbosity 3\n')
    stasis("check", "--config", "mine", code=0)
    assert "stasis 0" in (tmp_path / "a b.log").read_text()


def test_options_of_other_commands_in_a_file_are_for_them(stasis, tmp_path):
    (tmp_path / "conf").write_text("shell-job\nrestore-detached\n")
    stasis("explain", "--config", "conf", code=0)


def test_log_goes_where_it_is_asked_for(stasis, tmp_path):
    assert stasis("check", code=0).stderr == ""
    assert re.search(r"^\(00\.\d{6}\) Version", stasis("check", "-v", code=0).stderr, re.M)
    assert "Version" in stasis("check", "-v", "-o", "-", code=0).stdout
    stasis("check", "-v3", "-o", "log", code=0)
    assert "Running on" in (tmp_path / "log").read_text()
    done = stasis("check", "-o", "no/such/log", code=1)
    assert "cannot open log file no/such/log" in done.stderr


def test_closed_standard_descriptors_do_no_harm(stasis):
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(["sh", "-c", f'exec "$0" explain {closed}', stasis.program], capture_output=True)
        assert done.returncode in (0, 1)
        assert done.returncode == 0 or ">&-" in closed


def test_manual_pages_have_no_warnings(stasis):
    pages = stasis.program.parents[2] / "tools"
    for page in ("stasis.1", "stasis-images.5"):
        if not (pages / page).exists():
            pytest.skip("manual pages were not built here")
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", pages / page],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": ""})
        assert done.stderr == ""


def complete(script, line):
    words = line.split(" ")
    done = subprocess.run(
        ["bash", "--norc", "-c", f'source {script}; COMP_WORDS=({line if line[-1] != " " else line + chr(39) * 2}); '
         f"COMP_CWORD={len(words) - 1}; _stasis; echo ${{COMPREPLY[@]}}"],
        capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_completion(stasis):
    script = stasis.program.parents[2] / "tools/stasis.bash"
    if not script.exists():
        pytest.skip("the completion was not built here")
    assert complete(script, "stasis ch") == ["check"]
    assert "--ghost-limit" in complete(script, "stasis dump --g")
    assert "--lazy-pages" not in complete(script, "stasis dump --")
    assert complete(script, "stasis explain E-TTY") == ["E-TTY-OUTSIDE"]
    assert "pre-dump" not in complete(script, "criu ")
    assert "restore" in complete(script, "criu ")
