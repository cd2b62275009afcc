"""`latest` and `nowcast`: their text, their JSON and, for scripts, their exit codes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from support.live import RV, run_of, write

from radar_nb.cli.main import main
from radar_nb.mirror import LiveMirror, Mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a run of RV that is as old as DWD's newest one."""
    root = tmp_path_factory.mktemp("server")
    now = datetime.now(UTC) - timedelta(minutes=4)
    time = now - timedelta(minutes=now.minute % 5)
    data = run_of(f"{time:%Y-%m-%dT%H:%M}", range(0, 121, 5), still=True)
    write(root / RV / f"composite_rv_{time:%Y%m%d_%H%M}.tar", data)
    write(root / RV / "composite_rv_LATEST.tar", data)
    with Mirror(root) as mirror:
        yield mirror.url


def test_exit_codes_are_those_of_the_answer(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit codes: 0 dry, 10 rain, 20 unknown; of several places rain has precedence, then unknown."""
    nowhere = "4.5,46.5"  # outside the range of every radar

    alone = main(["nowcast", "--at", nowhere, "--base-url", server])
    printed = capsys.readouterr().out
    seen = [main(["nowcast", "--at", place, "--base-url", server]) for place in ("9.5,51.5", "12.4,51.3")]
    several = main(["nowcast", "--at", "9.5,51.5", "--at", nowhere, "--at", "12.4,51.3", "--base-url", server])

    assert alone == 20
    assert printed.startswith("4.5,46.5: unknown whether it rains, since no radar sees it; forecast of ")
    assert set(seen) <= {0, 10}
    assert several == (10 if 10 in seen else 20)


def test_a_threshold_decides_between_dry_and_rain(server: str) -> None:
    """With a threshold of 999 mm/h every place is dry: the exit code is 0."""
    assert main(["nowcast", "--at", "9.5,51.5", "--threshold", "999", "--base-url", server]) == 0


def test_json_has_the_status_and_a_row_for_each_place(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints one JSON value, with null for unknown values."""
    code = main(["nowcast", "--at", "4.5,46.5", "--json", "--base-url", server])

    found = json.loads(capsys.readouterr().out)
    assert code == 20
    assert found["status"] == "unknown"
    assert found["places"][0]["sum_2h"] is None
    assert found["places"][0]["place"] == "4.5,46.5"


def test_without_a_server_the_result_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a network the result is unknown, never dry: one sentence, or JSON with the reason."""
    with Mirror(tmp_path) as gone:
        pass

    codes = [main(["nowcast", "--at", "9.5,51.5", "--base-url", gone.url, *more]) for more in ((), ("--json",))]

    plain, _, as_json = capsys.readouterr().out.partition("\n")
    assert codes == [20, 20]
    assert plain.startswith("unknown whether it rains: no connection to 127.0.0.1")
    assert json.loads(as_json)["status"] == "unknown"


def test_a_misspelt_place_is_a_wrong_argument_without_a_network_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the user can put right has exit code 1 and not 20, before any request."""
    with Mirror(tmp_path) as gone:
        pass

    assert main(["nowcast", "--at", "Leipzgi", "--base-url", gone.url]) == 1
    assert "Leipzig" in capsys.readouterr().err


def test_the_newest_field_is_drawn(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line names the field and its age, another the picture's path; with --json only JSON is printed."""
    call = ["latest", "RV", "--lead", "30min", "--output", str(tmp_path / "now.png"), "--base-url", server]

    codes = [main(call), main([*call, "--json"])]

    text = capsys.readouterr().out
    assert codes == [0, 0]
    assert (tmp_path / "now.png").stat().st_size > 10_000
    assert text.startswith("RV of 20")
    assert json.loads(text[text.index("{") :])["stale"] == 0


def test_the_page_of_now_knows_from_when_it_gives_no_all_clear(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`live` writes one page; its answers hold until a time each, and after 14 minutes none of them is dry."""
    page = tmp_path / "pages" / "now.html"
    asked = ["live", "--at", "9.5,51.5", "--at", "4.5,46.5", "--past", "10min", "--base-url", server]

    assert main([*asked, "--threshold", "999", "--output", str(page)]) == 0

    found = re.search(r'<script id="content" type="application/json">(.*)</script>', page.read_text("utf-8"))
    assert found is not None
    info = json.loads(found[1])["info"]
    present = info["present"]
    begin, answers = present["nominal"], present["answers"]
    assert capsys.readouterr().out.startswith(f"{page}: RV of ")
    assert (info["timezone"], info["times"][info["boundary"]]) == ("Europe/Berlin", begin)
    assert [mark["name"] for mark in info["state"]["places"]] == ["9.5,51.5", "4.5,46.5"]
    assert (present["stale_after"], answers[-1]["until"] - begin) == (14 * 60_000, 120 * 60_000)
    late = [one["lines"] for before, one in pairwise(answers) if before["until"] > begin + 14 * 60_000]
    assert [[known for _, known in one["lines"]] for one in answers[:3]] == [[True, False]] * 3
    assert answers[0]["lines"][0][0].startswith("9.5,51.5: no rain until ")
    assert {tuple(known for _, known in lines) for lines in late} == {(False, False)}


def test_a_place_is_a_town_or_longitude_and_latitude(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that nobody knows is an error, not a place of its own; so are swapped degrees."""
    assert main(["nowcast", "--at", "Leipzig", "--base-url", server]) in {0, 10}
    assert main(["nowcast", "--at", "Nowhereville", "--base-url", server]) == 1
    assert main(["nowcast", "--at", "51.34,12.37", "--base-url", server]) == 1

    printed = capsys.readouterr()
    assert printed.out.startswith("Leipzig: ")
    assert "Nowhereville" in printed.err
    assert "lies outside the grid" in printed.err


def test_a_live_mirror_is_filled_and_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mirror --live` creates the folder, fills the last hours and serves."""
    served = []
    monkeypatch.setattr(
        LiveMirror, "serve_forever", lambda mirror: served.append(list(mirror.root.rglob("*-hd5")))
    )

    call = [
        "mirror",
        "--live",
        "--root",
        str(tmp_path / "new"),
        "--port",
        "0",
        "--present",
        "0.4",
        "--speed",
        "60",
    ]
    code = main([*call, "--products", "HYMECNG"])

    assert code == 0
    assert len(served[0]) >= 3


def test_following_ends_cleanly_on_sigterm(server: str, tmp_path: Path) -> None:
    """A line for each file, and after SIGTERM exit code 0 and neither locks nor part files."""
    call = [sys.executable, "-m", "radar_nb", "follow", "RV", "--keep", "7d", "--base-url", server]
    with subprocess.Popen(  # noqa: S603 - our own command
        [*call, "--folder", str(tmp_path / "ring")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate()

    assert first.startswith("following RV into ")
    assert "composite_rv_2" in second
    assert "after its time" in second
    assert (process.returncode, rest, errors) == (0, "stopped\n", "")
    assert [path.name for path in tmp_path.rglob("*") if path.name.endswith((".lock", ".tmp", ".part"))] == []


def test_a_wrong_length_of_the_ring_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """In the words of the command."""
    assert main(["follow", "RV", "--keep", "seven"]) == 1
    assert "--keep 'seven' is not a duration: write it with its unit" in capsys.readouterr().err.replace(
        "--keep seven", "--keep 'seven'"
    )
