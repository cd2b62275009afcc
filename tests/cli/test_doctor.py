"""`radar-nb doctor` finds faults and suggests a fix for each."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

from radar_nb.cli.doctor import Diagnosis, diagnosis_table, examine
from radar_nb.mirror import Mirror
from radar_nb.runtime.versions import EXTRAS, version_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def named(findings: tuple[Diagnosis, ...]) -> dict[str, Diagnosis]:
    """Return diagnoses by item."""
    return {finding.what: finding for finding in findings}


def test_a_complete_installation_has_no_trouble(tmp_path: Path) -> None:
    """A server that answers, this project's packages and a folder suffice."""
    with Mirror(tmp_path) as mirror:
        findings = examine(folder=tmp_path / "data", base_url=mirror.url)

    assert {f.what: f.found for f in findings if f.state == "trouble"} == {}
    assert named(findings)["server"].found.startswith(f"{mirror.url} responded in ")
    assert diagnosis_table(findings).title == "All checks passed"


def test_a_server_that_does_not_answer_is_trouble(tmp_path: Path) -> None:
    """A dead server is requested once; the diagnosis states the reason, and what still works."""
    with socket.socket() as bound:  # bound, but not listening
        bound.bind(("127.0.0.1", 0))
        findings = examine(folder=tmp_path, base_url=f"http://127.0.0.1:{bound.getsockname()[1]}")

    assert named(findings)["server"].state == "trouble"
    assert "without a server" in named(findings)["server"].remedy
    assert diagnosis_table(findings).title.startswith("1 of ")


def test_an_unwritable_data_folder_is_trouble(tmp_path: Path) -> None:
    """A file in place of the folder is found before the first download."""
    file = tmp_path / "data"
    file.write_bytes(b"")

    with Mirror(tmp_path) as mirror:
        finding = named(examine(folder=file, base_url=mirror.url))["data folder"]

    assert finding.state == "trouble"
    assert "RADAR_NB_DATA" in finding.remedy


def test_a_codec_that_cannot_be_loaded_is_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A broken binary is named, with the fix."""
    monkeypatch.setitem(sys.modules, "numcodecs.zstd", None)

    with Mirror(tmp_path) as mirror:
        finding = named(examine(folder=tmp_path, base_url=mirror.url))["codec numcodecs"]

    assert finding.state == "trouble"
    assert finding.remedy == "pip install --force-reinstall numcodecs"


def test_a_terminal_needs_no_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without JupyterLab, Voilà and ipykernel there is a note on how to install them, and no trouble."""
    lab = EXTRAS["lab"]
    monkeypatch.setattr("radar_nb.cli.doctor.version_of", lambda name: None if name in lab else version_of(name))

    with Mirror(tmp_path) as mirror:
        findings = examine(folder=tmp_path, base_url=mirror.url)

    assert [f.what for f in findings if f.state == "trouble"] == []
    assert named(findings)["extra lab"].state == "note"
    assert "pip install 'radar-nb[lab]'" in named(findings)["extra lab"].remedy


def test_every_trouble_has_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without any package all items are troubles or notes, and each suggests a fix."""
    monkeypatch.setattr("radar_nb.cli.doctor.version_of", lambda _: None)

    with Mirror(tmp_path) as mirror:
        findings = examine(folder=tmp_path, base_url=mirror.url)

    assert {f.what for f in findings if f.state == "trouble"} == {"packages", "widgets"}
    assert [f.what for f in findings if f.state != "ok" and not f.remedy] == []
