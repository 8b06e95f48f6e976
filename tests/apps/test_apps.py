"""Ordinary programs go on where they were."""
import os
import random
import re
import subprocess

import pytest

import live

PYTHON_THREADS = """
import sqlite3, threading, time, sys
db = sqlite3.connect("data.db", check_same_thread=False, isolation_level=None)
db.execute("create table if not exists t (who int, n int)")
lock, stop = threading.Lock(), threading.Event()
counts = [0] * 4

def work(who):
    while not stop.is_set():
        with lock:
            counts[who] += 1
            db.execute("insert into t values (?, ?)", (who, counts[who]))
        time.sleep(0.002)

workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for w in workers: w.start()
begin = time.monotonic()
while min(counts) < 20: time.sleep(0.01)
print("ready", flush=True)
goal = None
import pathlib
while not pathlib.Path("go").exists(): time.sleep(0.01)
goal = [c + 20 for c in counts]
while any(c < g for c, g in zip(counts, goal)): time.sleep(0.01)
stop.set()
for w in workers: w.join()
for who in range(4):
    rows = [n for (n,) in db.execute("select n from t where who = ? order by rowid", (who,))]
    assert rows == list(range(1, counts[who] + 1)), rows
db.close()
print("good", sum(counts), flush=True)
"""

# The loop of the standard library wakes itself through a socket pair; this one has a pipe.
PYTHON_ASYNCIO = """
import asyncio, os, pathlib, selectors, time

class End:
    def __init__(self, fd): self.fd = fd
    def fileno(self): return self.fd
    def close(self): os.close(self.fd)
    def recv(self, n): return os.read(self.fd, n)
    def send(self, data): return os.write(self.fd, data)

class Loop(asyncio.SelectorEventLoop):
    def _make_self_pipe(self):
        self._ssock, self._csock = map(End, os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))
        self._internal_fds += 1
        self._add_reader(self._ssock.fileno(), self._read_from_self)

ticks = {}

async def ticker(name, pause):
    while True:
        ticks[name] = ticks.get(name, 0) + 1
        await asyncio.sleep(pause)

async def main():
    tasks = [asyncio.ensure_future(ticker(i, 0.003 * (i + 1))) for i in range(5)]
    late = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.5, late.set_result, "late")
    await asyncio.sleep(0.1)
    print("ready", flush=True)
    while not pathlib.Path("go").exists(): await asyncio.sleep(0.01)
    assert await asyncio.wait_for(late, 10) == "late"
    before = dict(ticks)
    await asyncio.sleep(0.2)
    assert all(ticks[i] > before[i] for i in ticks), (before, ticks)
    there = await asyncio.to_thread(lambda: 6 * 7)
    print("good", there, flush=True)

loop = Loop(selectors.EpollSelector())
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
"""

BASH = r"""
set -m
( i=0; while [ ! -e go ]; do echo $((i++)); done; echo end ) | tee first | awk '{ n++ } END { print n, $0 }' >second &
( sleep 0.01; for i in 1 2 3; do ( while [ ! -e go ]; do sleep 0.01; done; echo job $i ) & done; wait; echo jobs ) >third &
f() { local depth=$1; if [ "$depth" = 0 ]; then while [ ! -e go ]; do sleep 0.01; done; echo bottom; else ( f $((depth - 1)) ); fi; }
f 5 >fourth &
trap 'echo caught' USR1
kill -USR1 $$
echo ready
wait; wait; wait
[ "$(tail -n 1 first)" = end ] && [ "$(wc -l <first)" = "$(cut -d' ' -f1 second)" ] || echo wrong
[ "$(sort third | tr '\n' ' ')" = "job 1 job 2 job 3 jobs " ] || echo wrong
[ "$(cat fourth)" = bottom ] || echo wrong
kill -USR1 $$
echo good
exit 5
"""

PERL = r"""
use strict; $| = 1;
my (%h, $caught); $SIG{ALRM} = sub { $caught++ }; alarm 1;
my $i = 0;
open(my $f, ">", "lines") or die;
sub step { $i++; $h{$i} = sprintf("%x", $i * $i); print $f "$i\n"; }
step() for 1 .. 50000;
my $pid = fork() // die;
if (!$pid) { while (!-e "go") { select(undef, undef, undef, 0.01) } exit 3 }
print "ready\n";
while (!-e "go") { step(); select(undef, undef, undef, 0.001) }
step() for 1 .. 50000;
while (!$caught) { select(undef, undef, undef, 0.01) }
close $f;
die "child" unless waitpid($pid, 0) == $pid && $? >> 8 == 3;
for my $k (1 .. $i) { die "wrong at $k" if $h{$k} ne sprintf("%x", $k * $k) }
open($f, "<", "lines"); my $n = 0; while (<$f>) { $n++; die "line $n: $_" if $_ != $n } die "lost" if $n != $i;
print "good\n";
"""

NODE = r"""
const fs = require("fs");
let n = 0, squares = new Map(), later = false;
setTimeout(() => { later = true; }, 400);
function work() { for (let i = 0; i < 2000; i++) { n++; squares.set(n, n * n); } }
for (let i = 0; i < 50; i++) work();
fs.writeSync(1, "ready\n");
const timer = setInterval(() => {
  work();
  if (!fs.existsSync("go") || !later) return;
  clearInterval(timer);
  fs.promises.readFile(__filename).then((text) => {
    for (const [k, v] of squares) if (v !== k * k) throw new Error("wrong at " + k);
    if (text.length !== fs.statSync(__filename).size) throw new Error("short");
    fs.writeSync(1, "good\n");
  });
}, 5);
"""

JAVA = r"""
import java.io.*; import java.util.concurrent.*; import java.util.concurrent.atomic.*;
public class Busy {
  static final AtomicLongArray counts = new AtomicLongArray(4);
  static volatile boolean stop;
  static long hash(long n) { long h = n; for (int i = 0; i < 100; i++) { h ^= h << 13; h ^= h >>> 7; h ^= h << 17; } return h; }
  public static void main(String[] a) throws Exception {
    long want = 0; for (int i = 1; i < 20000; i++) want += hash(i);
    final long sum = want;
    Thread[] all = new Thread[4];
    for (int t = 0; t < 4; t++) { final int me = t; all[t] = new Thread(() -> {
      while (!stop) { long s = 0; for (int i = 1; i < 20000; i++) s += hash(i);
        if (s != sum) { System.out.println("wrong"); System.exit(9); }
        counts.incrementAndGet(me); byte[][] junk = new byte[50][]; for (int i = 0; i < 50; i++) junk[i] = new byte[1000]; } });
      all[t].start(); }
    ScheduledExecutorService timers = Executors.newScheduledThreadPool(1);
    AtomicInteger ticks = new AtomicInteger(); timers.scheduleAtFixedRate(ticks::incrementAndGet, 1, 5, TimeUnit.MILLISECONDS);
    for (int t = 0; t < 4; t++) while (counts.get(t) < 20) Thread.sleep(10);
    System.out.println("ready"); System.out.flush();
    while (!new File("go").exists()) Thread.sleep(10);
    long[] then = new long[4]; for (int t = 0; t < 4; t++) then[t] = counts.get(t);
    int tick = ticks.get();
    for (int t = 0; t < 4; t++) while (counts.get(t) < then[t] + 20) Thread.sleep(10);
    while (ticks.get() < tick + 10) Thread.sleep(5);
    System.gc(); stop = true; for (Thread t : all) t.join(); timers.shutdown();
    System.out.println("good");
  }
}
"""

HOG = """
import mmap, os, pathlib, sys, threading, time
size, n = int(sys.argv[1]), 100
page = 4096
areas = [mmap.mmap(-1, size // n // page * page, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(n)]
for i, area in enumerate(areas):
    for at in range(0, len(area), page): area[at:at + 8] = (i << 40 | at).to_bytes(8, "little")
rounds = [0] * n
go = threading.Event()

def work(i):
    area, at = areas[i], 0
    while not go.wait(0.05):
        if area[at:at + 8] != (i << 40 | at).to_bytes(8, "little"): os._exit(3)
        at = (at + page) % len(area); rounds[i] += 1
    for at in range(0, len(area), page):
        if area[at:at + 8] != (i << 40 | at).to_bytes(8, "little"): os._exit(4)

workers = [threading.Thread(target=work, args=(i,)) for i in range(n)]
for w in workers: w.start()
print("ready", flush=True)
while not pathlib.Path("go").exists(): time.sleep(0.05)
go.set()
for w in workers: w.join()
print("good", flush=True)
"""

MANY = """
import os, sys, time, pathlib
def leaf(i):
    here = os.getpid()
    while not os.path.exists("go"): time.sleep(0.05)
    os._exit(i % 100 if os.getpid() == here else 101)

def branch(k):
    if k % 3 == 0: os.setsid()
    elif k % 3 == 1: os.setpgid(0, 0)
    pids = [os.fork() or leaf(i) for i in range(19)]
    bad = sum(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) != i for i, p in enumerate(pids))
    os._exit(bad)

pids = [os.fork() or branch(k) for k in range(10)]
print("ready", flush=True)
bad = sum(os.waitpid(p, 0)[1] for p in pids)
print("good" if bad == 0 else f"bad {bad}", flush=True)
"""


def go_and_end(app, code=0):
    (app.folder / "go").touch()
    assert app.wait_end() == code, app.text()
    assert "good" in app.text().split("\n")[-2], app.text()


def finish(app, times=1, code=0):
    """Dumped and restored when it says that it is ready; then it is let on and must say that all was good."""
    app.wait_text("ready")
    for _ in range(times):
        app.around()
    go_and_end(app, code)


def test_python_with_threads_and_sqlite(app):
    finish(app("python3", "-c", PYTHON_THREADS, options=["--file-locks"]), times=2)


def test_python_with_asyncio_timers(app):
    finish(app("python3", "-c", PYTHON_ASYNCIO))


def test_bash_pipelines_and_job_trees(app):
    one = app("bash", "-c", BASH)
    finish(one, times=2, code=5)
    said = [line for line in one.text().splitlines() if line in ("caught", "ready", "good", "wrong")]
    assert said == ["caught", "ready", "caught", "good"]


def test_perl(app):
    finish(app("perl", "-e", PERL))


def test_node(app, tmp_path):
    (tmp_path / "busy.js").write_text(NODE)
    finish(app("node", tmp_path / "busy.js", env={"UV_USE_IO_URING": "0"}))


def test_java_with_compiled_threads(app, tmp_path):
    (tmp_path / "Busy.java").write_text(JAVA)
    try:
        subprocess.run(["javac", "-d", tmp_path, tmp_path / "Busy.java"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("javac is not installed")
    finish(app("java", "-Xmx64m", "-XX:TieredStopAtLevel=4", "-cp", tmp_path, "Busy"))


def test_make_compiling_with_gcc(app, tmp_path):
    """Many small files; dumped in the middle, several times, wherever the compilers are just then."""
    n = 40
    for i in range(n):
        body = "\n".join(f"int f{i}_{j}(int x) {{ return x * {j} + {i}; }}" for j in range(100))
        (tmp_path / f"part{i}.c").write_text(body + "\n")
    calls = " + ".join(f"f{i}_99(1)" for i in range(n))
    declared = "\n".join(f"int f{i}_99(int);" for i in range(n))
    (tmp_path / "main.c").write_text(f'#include <stdio.h>\n{declared}\nint main(void) {{ printf("%d\\n", {calls}); }}\n')
    (tmp_path / "Makefile").write_text(
        "OBJS := $(patsubst %.c,%.o,$(wildcard *.c))\nall: prog\n\t@echo good\nprog: $(OBJS)\n\tgcc -o $@ $(OBJS)\n"
        "%.o: %.c\n\tgcc -O2 -c -o $@ $<\n")
    one = app("make", "-j3", "-C", tmp_path)
    for part in (5, 15, 25):
        live.wait_for(lambda: len(list(tmp_path.glob("*.o"))) >= part, "objects", 60)
        assert one.is_alive()
        one.around()
        for old in one.images.iterdir():
            old.unlink()
    assert one.wait_end() == 0, one.text()
    want = sum(99 + i for i in range(n))
    assert subprocess.run([tmp_path / "prog"], capture_output=True, text=True).stdout == f"{want}\n"


def test_xz_compressing_a_large_file(app, tmp_path):
    source = tmp_path / "data"
    pick = random.Random(1)
    words = [bytes(pick.choices(b"abcdefghij \n", k=pick.randrange(3, 12))) for _ in range(3000)]
    source.write_bytes(b"".join(pick.choices(words, k=1500000)))
    one = app("xz", "-k", "-T2", "-6", "--block-size=2MiB", source)
    packed = tmp_path / "data.xz"
    live.wait_for(lambda: packed.exists() and packed.stat().st_size > 100000, "the first blocks", 60)
    assert one.is_alive()
    one.around()
    assert one.wait_end() == 0, one.text()
    subprocess.run(["xz", "-t", packed], check=True)
    unpacked = subprocess.run(["xz", "-dc", packed], check=True, capture_output=True).stdout
    assert unpacked == source.read_bytes()


def test_memory_hog_with_a_hundred_threads(app, tmp_path):
    """2 GiB where there is room for it and its images; at least 64 MiB."""
    free = int(re.search(r"MemAvailable: +(\d+)", open("/proc/meminfo").read())[1]) << 10
    disk = os.statvfs(tmp_path)
    size = min(2 << 30, free // 5, disk.f_bavail * disk.f_frsize // 3)
    if size < 64 << 20:
        pytest.skip("no room for 64 MiB and its images")
    one = app("python3", "-c", HOG, size)
    one.wait_text("ready", 120)
    finish(one)


def test_two_hundred_tasks(app):
    one = app("python3", "-c", MANY)
    one.wait_text("ready")
    live.wait_for(lambda: len(live.tree(one.pid)) == 201, "200 tasks")
    before = live.tree(one.pid)
    ids = {p: (os.getsid(p), os.getpgid(p)) for p in before}
    one.around()
    assert sorted(live.tree(one.pid)) == sorted(before)
    assert {p: (os.getsid(p), os.getpgid(p)) for p in before} == ids
    go_and_end(one)
