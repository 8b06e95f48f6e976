"""Called as criu: the command line of CRIU 4.2."""
import re
import subprocess

import pytest

# Every long option of CRIU 4.2: name, argument form (- none, r required, o optional), an argument that
# it takes. Facts of its documentation and getopt table.
OPTIONS = """
tree r 1
leave-stopped -
leave-running -
restore-detached -
restore-sibling -
daemon -
images-dir r .
work-dir r .
log-file r log
join-ns r net:1
root r /
ext-unix-sk o 12
help -
tcp-established -
close r 99
log-pid -
version -
evasive-devices -
pidfile r pid
veth-pair r a=b
action-script r /bin/true
link-remap -
shell-job -
file-locks -
page-server -
address r 127.0.0.1
port r 1234
prev-images-dir r .
ms -
track-mem -
auto-dedup -
libdir r /tmp
cpu-cap o all
force-irmap -
ext-mount-map r /a:b
exec-cmd -
manage-cgroups o soft
cgroup-root r cpu:/a
inherit-fd r fd[0]:x
feature r uffd
skip-mnt r /mnt
enable-fs r tracefs
enable-external-sharing -
enable-external-masters -
freeze-cgroup r /sys/fs/cgroup
ghost-limit r 1M
irmap-scan-path r /tmp
lsm-profile r apparmor:x
timeout r 10
external r mnt[/a]:b
empty-ns r net
lazy-pages -
extra -
experimental -
all -
cgroup-props r x
cgroup-props-file r x
cgroup-dump-controller r cpu
skip-in-flight -
deprecated -
display-stats -
weak-sysctls -
status-fd r 1
tcp-close -
verbosity o 4
ps-socket r 3
stream -
config r x
no-default-config -
tls-cacert r x
tls-cacrl r x
tls-cert r x
tls-key r x
tls -
tls-no-cn-verify -
cgroup-yard r /tmp
pre-dump-mode r read
file-validation r filesize
skip-file-rwx-check -
lsm-mount-context r x
network-lock r nftables
mntns-compat-mode -
unprivileged -
ghost-fiemap -
allow-uprobes -
"""
ROWS = [line.split() for line in OPTIONS.strip().splitlines()]
# Those of them that CRIU lets be switched off again.
NEGATABLE = """restore-detached restore-sibling daemon tcp-established log-pid evasive-devices link-remap shell-job
file-locks page-server track-mem auto-dedup force-irmap extra experimental skip-in-flight deprecated display-stats
weak-sysctls tcp-close stream tls skip-file-rwx-check mntns-compat-mode unprivileged ghost-fiemap
allow-uprobes""".split()
LETTERS = {"d": None, "S": None, "s": None, "R": None, "r": "/", "t": "1", "h": None, "D": ".", "o": "log",
           "v": None, "x": None, "V": None, "j": None, "J": "net:1", "l": None, "W": ".", "L": "/tmp", "M": "auto"}


def words_of(name, form, arg):
    if form == "-":
        return [f"--{name}"]
    return [f"--{name}={arg}"] if form == "o" else [f"--{name}", arg]


def understood(done):
    return not re.search(r"there is no option|needs an argument|takes no argument|cannot read", done.stderr)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_option_parses(criu, row):
    done = criu(*words_of(*(row + [None])[:3]), "dedup")
    assert done.returncode in (0, 1)
    assert understood(done), done.stderr
    if row[1] == "r":  # and is missed when it lacks its argument
        assert "needs an argument" in criu("dedup", f"--{row[0]}").stderr


@pytest.mark.parametrize("name", NEGATABLE)
def test_options_can_be_switched_off(criu, name):
    done = criu("check", f"--no-{name}")
    assert understood(done), done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("letter", LETTERS)
def test_short_options(criu, letter):
    arg = LETTERS[letter]
    done = criu("dedup", f"-{letter}", *([arg] if arg else []))
    assert understood(done), done.stderr


@pytest.mark.parametrize("command", ["dump", "restore"])
@pytest.mark.parametrize("name", ["lazy-pages", "page-server", "stream", "track-mem", "cgroup-root", "empty-ns", "join-ns",
                                  "prev-images-dir", "auto-dedup", "lsm-profile", "cpu-cap"])
def test_what_is_not_built_is_refused_by_name(criu, command, name, sleeper):
    row = next(r for r in ROWS if r[0] == name)
    done = criu(command, "-t", sleeper.pid, *words_of(*(row + [None])[:3]))
    belongs = f"option --{name} is not built yet" in done.stderr
    assert belongs or (command, name) in {
        ("dump", "join-ns"), ("dump", "lsm-profile"), ("restore", "track-mem"), ("restore", "prev-images-dir"),
        ("restore", "page-server")}
    if belongs:
        assert done.returncode == 1
    assert sleeper.poll() is None or not belongs


def test_version_is_what_clients_parse(criu):
    assert criu("--version", code=0).stdout == "Version: 4.2\n"
    assert criu("-V", code=0).stdout == "Version: 4.2\n"


def test_help_and_usage_codes(criu):
    assert "pre-dump" in criu("--help", code=0).stdout
    assert criu(code=1).stdout == ""
    criu("frob", code=1)
    criu("dump", "--frob", code=1)
    assert "--tree is needed" in criu("dump", code=1).stderr
    criu("exec", code=255)
    criu("show", code=255)
    assert "is not built yet" in criu("pre-dump", "-t", "1", code=1).stderr
    criu("cpuinfo", code=1)


def test_check_speaks_like_criu(criu):
    assert criu("check", code=0).stdout == "Looks good.\n"
    assert criu("check", "--feature", "clone3_set_tid", code=0).stdout == "clone3_set_tid is supported\n"
    assert criu("check", "--feature", "no_such_thing", code=1).stdout == ""
    names = criu("check", "--feature", "list", code=0).stdout.split()
    assert {"mnt_id", "mem_dirty_track", "uffd-noncoop", "external_net_ns", "pagemap_scan_guard_pages"} <= set(names)
    extra = criu("check", "--extra")
    assert extra.stdout in ("Looks good.\n", "Looks good but some kernel features are missing\n"
                            "which, depending on your process tree, may cause\ndump or restore failure.\n")
    assert (extra.returncode == 0) == (extra.stdout == "Looks good.\n")


def test_check_as_the_test_suite_of_criu_calls_it(criu):
    words = ("check", "--no-default-config", "--no-default-config", "-verbosity=0", "--feature")
    assert criu(*words, "mnt_id", code=0).stderr == ""
    done = criu(*words, "no_such_thing", code=1)
    assert done.stderr == ""


def test_log_lines(criu, tmp_path):
    criu("check", "-v4", "-o", "check.log", code=0)
    log = (tmp_path / "check.log").read_text()
    assert re.match(r"\(00\.\d{6}\) Version: 4\.2", log)
    assert (tmp_path / "check.log").stat().st_mode & 0o777 == 0o600
    done = criu("restore", "-D", "nowhere", code=1)
    assert re.match(r"Error \(\S+\.c:\d+\): ", done.stderr)
    done = criu("restore", "-v3", "-D", "nowhere", code=1)
    assert re.search(r"^\(00\.\d{6}\) Error \(\S+\.c:\d+\): ", done.stderr, re.M)


def test_log_is_there_after_an_early_failure(criu, tmp_path):
    (tmp_path / "images").mkdir()
    criu("dump", "-D", "images", "-o", "dump.log", "-v4", "-t", "1", "--lazy-pages", code=1)
    assert "Error (" in (tmp_path / "images/dump.log").read_text()
    criu("dump", "-D", "images", "-o", "no-pid.log", code=1)
    assert "Error (" in (tmp_path / "images/no-pid.log").read_text()
    (tmp_path / "work").mkdir()
    criu("restore", "-D", "images", "-W", "work", "-o", "restore.log", code=1)
    assert (tmp_path / "work/restore.log").exists()
    criu("check", "-o", tmp_path / "absolute.log", code=0)
    assert (tmp_path / "absolute.log").exists()


def test_levels(criu, tmp_path):
    for level, stamps, infos in ((0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 1, 1), (4, 1, 1)):
        criu("check", f"-v{level}", "-o", "log", "--feature", "no_such_thing")
        log = (tmp_path / "log").read_text()
        assert ("Running on" in log) == bool(infos)
        assert log.startswith("(") == bool(stamps)
        assert ("Error (" in log) == (level > 0)


def test_configuration_files_and_their_order(criu, tmp_path):
    (tmp_path / ".criu").mkdir()
    (tmp_path / ".criu/default.conf").write_text("# everywhere\nlog-file user.log\nverbosity 3\nno-such-option\n")
    assert "no-such-option" in criu("check", code=1).stderr
    (tmp_path / ".criu/default.conf").write_text("log-file user.log\nverbosity 3\nfeature clone3_set_tid\n")
    assert criu("check", code=0).stdout == "clone3_set_tid is supported\n"
    assert "Running on" in (tmp_path / "user.log").read_text()
    (tmp_path / "env.conf").write_text("log-file env.log\n")
    criu.env["CRIU_CONFIG_FILE"] = str(tmp_path / "env.conf")
    criu("check", code=0)
    assert (tmp_path / "env.log").exists()
    (tmp_path / "named.conf").write_text('log-file "named one.log"\n')
    assert criu("check", "--config", "named.conf", code=0).stdout == "Looks good.\n"
    assert (tmp_path / "named one.log").exists()
    criu("check", "--config=named.conf", "--log-file", "argv.log", code=0)
    assert (tmp_path / "argv.log").exists()
    (tmp_path / "env.log").unlink()
    del criu.env["CRIU_CONFIG_FILE"]
    (tmp_path / "user.log").unlink()
    criu("check", "--no-default-config", code=0)
    assert not (tmp_path / "user.log").exists()
    criu("check", "--config", "not-there.conf", code=0)


def test_a_switched_off_option_in_argv_beats_the_file(criu, tmp_path):
    (tmp_path / "c").write_text("track-mem\n")
    assert "--track-mem is not built" in criu("dump", "-t", "1", "--config", "c", code=1).stderr
    assert "not built" not in criu("dump", "-t", "999999999", "--config", "c", "--no-track-mem", code=1).stderr


def test_closing_descriptors_first(criu):
    """--close 7 really closes it: a pipe's reader sees the end although criu would hold it open."""
    script = 'exec "$0" check --close 7 --status-fd 7 7>&1 >/dev/null'
    done = subprocess.run(["sh", "-c", script, criu.program], capture_output=True, cwd=criu.cwd)
    assert done.returncode == 0
