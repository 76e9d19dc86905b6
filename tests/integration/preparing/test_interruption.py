"""Killed at random moments and started again, a preparation ends in the very bytes of one that was left alone."""

import random
import subprocess
import time
from pathlib import Path

from sagemaker_gluoncv_container.data.record_files import scan
from support.prepared import Prepare, draw_folders, invoke, tree
from support.processes import PREPARE

KILLS = 5
# Commits are every 256 pictures: each life must be able to get past one.
COUNTS = {"bird": 700, "car": 700, "flower": 700}
OPTIONS = ("--resize", "48", "--shard-size", "200KB", "--no-progress", "--threads", "2", "--seed", "7")
SECONDS = 120


def size(folder: Path) -> int:
    """Return the bytes under a folder whose files may vanish any moment."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def start(source: Path, out: Path) -> "subprocess.Popen[bytes]":
    """Start the command in a process of its own."""
    command = [*PREPARE, str(source), str(out), *OPTIONS]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_after_growth(process: "subprocess.Popen[bytes]", out: Path, growth: int) -> None:
    """Kill a process once what it has written has grown by so many bytes; it must not have ended before."""
    before, deadline = size(out), time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if size(out) - before > growth:
            break
        time.sleep(0.002)
    ended = process.poll()
    process.kill()
    _, errors = process.communicate()
    assert ended is None, f"it ended by itself with {ended}: {errors.decode()}"


def test_five_kills_leave_no_trace(prepare: Prepare, tmp_path: Path) -> None:
    """SIGKILL at five random moments, over inspecting and writing; then all files equal those of an undisturbed run."""
    source = draw_folders(tmp_path / "pictures", COUNTS)
    whole = prepare(source, *OPTIONS)
    seed = random.randrange(1 << 30)
    pick, out = random.Random(seed), tmp_path / "killed"
    # Spool and shards are each about as large as the result.
    step = size(whole.out) * 2 // (KILLS + 2)
    for _ in range(KILLS):
        kill_after_growth(start(source, out), out, pick.randrange(step))
    last = start(source, out)
    _, errors = last.communicate(timeout=SECONDS)
    assert last.returncode == 0, errors.decode()
    assert tree(out) == tree(whole.out), f"moments of seed {seed}"
    assert len(list(whole.out.glob("train/*.rec"))) > 5
    assert sum(len(scan(path)) for path in out.glob("*/*.rec")) == sum(COUNTS.values())


def test_other_settings_do_not_go_on(tmp_path: Path) -> None:
    """What was begun with other settings is not mixed with these; the message says what to delete."""
    source = draw_folders(tmp_path / "pictures", {"bird": 300, "car": 300})
    process = start(source, tmp_path / "out")
    kill_after_growth(process, tmp_path / "out", 200_000)
    result = invoke("prepare", str(source), str(tmp_path / "out"), "--no-progress")
    assert result.exit_code == 2
    assert "other settings" in result.output
    assert ".prepare" in result.output
