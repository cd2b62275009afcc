"""Binder's start script: it serves the synthetic rain to the command that it starts."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASK = """
import os, time, urllib.request
for _ in range(200):
    try:
        print(urllib.request.urlopen(os.environ["RADAR_NB_BASE_URL"] + "/hello.txt", timeout=5).read().decode())
        break
    except urllib.error.URLError:
        time.sleep(0.05)  # the server starts in another process
"""


def test_the_command_started_by_binder_finds_the_rain(tmp_path: Path) -> None:
    """The command after `start` runs with the mirror's address in its environment, and the mirror answers."""
    shutil.copytree(ROOT / "binder", tmp_path / "binder", ignore=shutil.ignore_patterns("rain*"))
    (tmp_path / "binder" / "rain").mkdir()
    (tmp_path / "binder" / "rain" / "hello.txt").write_text("rain", encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    process = subprocess.Popen(  # noqa: S603 - our own script
        [tmp_path / "binder" / "start", sys.executable, "-c", ASK],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "RADAR_NB_MIRROR_PORT": str(port)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    printed, _ = process.communicate(timeout=60)
    os.killpg(process.pid, signal.SIGTERM)  # the mirror, which is still running

    assert printed == "rain\n"
    assert process.returncode == 0
