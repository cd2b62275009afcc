"""Malicious input: every way of reading refuses it at little cost."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from support import killed_processes as kills
from support import read_paths
from support.malicious_archives import FRAME, HARMLESS, HOSTILE, NAME, entry, frame, month, packed, tar

from radar_nb.errors import RadarNbError, StorageError, UnsafeMember
from radar_nb.formats.archives import DAY_LIMIT, parts
from radar_nb.formats.extraction import extract

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.read_paths import Trial

SECONDS = 5.0  # of processor time per read path; the longest takes less than one
MEGABYTES = 200


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trial]:
    """Return the result for every kind, harmless ones first, all in one child."""
    folder = tmp_path_factory.mktemp("kinds")
    archives = {}
    for number, (kind, data) in enumerate([*HARMLESS.items(), *((k, case.data) for k, case in HOSTILE.items())]):
        archives[kind] = folder / f"{number}"
        archives[kind].write_bytes(data)
    return kills.in_child(read_paths.tried, tmp_path_factory.mktemp("sandbox"), archives)


def test_there_are_enough_kinds() -> None:
    """There are at least forty kinds, and no kind occurs under two names."""
    assert len(HOSTILE) >= 40
    assert len({case.data for case in HOSTILE.values()}) == len(HOSTILE)


def test_every_reader_refuses(trials: dict[str, Trial]) -> None:
    """Extraction, opening, scanning, walking and verifying raise one error: what, why, and the remedy."""
    found = {kind: {name: error for name, (error, _) in trials[kind].fates.items()} for kind in HOSTILE}
    wrong = [
        (kind, text)
        for kind, case in HOSTILE.items()
        for _, text in trials[kind].fates.values()
        if not ("archive.tar.gz" in text and re.search(case.match, text) and case.remedy in text)
    ]

    assert found == {
        kind: dict.fromkeys(read_paths.READ_PATHS, case.error.__name__) for kind, case in HOSTILE.items()
    }
    assert wrong == []


@pytest.mark.parametrize("kind", HARMLESS)
def test_every_reader_accepts_harmless_oddities(trials: dict[str, Trial], kind: str) -> None:
    """Oddities without effect on names and bytes are read; the frame's grid is not one of DWD's."""
    trial = trials[kind]

    assert trial.fates.pop("open")[0] == "UnknownGrid"
    assert trial.fates == {
        "extract": ("read", "done"),
        "scan": ("read", "1"),
        "walk": ("read", str([(NAME, len(FRAME))])),
        "verify": ("read", "sound"),
    }
    assert trial.left == (NAME,)


def test_nothing_outside_is_touched(trials: dict[str, Trial]) -> None:
    """Only the target folder changes: names, bytes and times elsewhere stay the same."""
    assert {kind: trials[kind].touched for kind in [*HARMLESS, *HOSTILE] if trials[kind].touched} == {}


def test_nothing_hidden_or_foreign_is_left(trials: dict[str, Trial]) -> None:
    """The target folder has only frames under plain names."""
    left = [(kind, name) for kind in HOSTILE for name in trials[kind].left]

    assert [one for one in left if not one[1].startswith("raa01-")] == []


def test_every_reader_is_quick(trials: dict[str, Trial]) -> None:
    """No archive keeps the processor busy for long."""
    assert {kind: most for kind in HOSTILE if (most := max(trials[kind].seconds.values())) >= SECONDS} == {}


def test_memory_is_limited(trials: dict[str, Trial]) -> None:
    """All kinds together, by all readers, take less memory than one day of frames."""
    assert sum(trial.megabytes for trial in trials.values()) < MEGABYTES


# --- archives for some read paths -----------------------------------------------------------------------


def test_more_days_than_a_year_are_refused(tmp_path: Path) -> None:
    """The number of parts, each of which may take its own space, is limited."""
    path = tmp_path / "a.tar"
    path.write_bytes(month(*[packed(tar(entry(NAME, FRAME)))] * (DAY_LIMIT + 1)))

    with pytest.raises(UnsafeMember, match=f"follows {DAY_LIMIT} others, more than a year has days"):
        parts(path)


@pytest.mark.parametrize("names", [("a", "A"), ("ä", "a\u0308"), ("x/b", "y/B"), ("straße", "STRASSE")], ids=ascii)
@pytest.mark.parametrize("days", [1, 2])
def test_names_that_differ_only_in_case_are_reported(tmp_path: Path, names: tuple[str, str], days: int) -> None:
    """The first of two such members is kept on every system, and the other is reported."""
    members = [entry(name, frame(seed=number)) for number, name in enumerate(names)]
    path = tmp_path / "a.tar"
    path.write_bytes(packed(tar(*members)) if days == 1 else month(*(packed(tar(member)) for member in members)))

    with pytest.raises(UnsafeMember, match=r"differs from .* only in upper and lower case"):
        extract(path, workers=1, progress=False)

    assert [file.read_bytes() for file in (tmp_path / "a").iterdir()] == [frame(seed=0)]


@pytest.mark.parametrize("names", [("a/x", "b/x"), ("x", "x"), ("x.gz", "x")], ids=str)
def test_members_of_one_name_in_two_folders_are_reported(tmp_path: Path, names: tuple[str, str]) -> None:
    """Frames are in one flat folder: the later of two with one name is kept, and the report says so."""
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed(tar(*(entry(name, frame(seed=number)) for number, name in enumerate(names)))))

    report = extract(path, progress=False)

    assert report.outcomes[0].notes == ("x occurred more than once: the last is kept",)
    assert (tmp_path / "a" / "x").read_bytes() == frame(seed=1)


# --- malicious target folders -----------------------------------------------------------------------------------


def _link(place: Path, victim: Path) -> None:
    place.symlink_to(victim)


def _hard_link(place: Path, victim: Path) -> None:
    place.hardlink_to(victim)


def _dangling(place: Path, victim: Path) -> None:
    place.symlink_to(victim.with_name("absent"))


def _loop(place: Path, _: Path) -> None:
    place.symlink_to(place)


def _fifo(place: Path, _: Path) -> None:
    os.mkfifo(place)


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
@pytest.mark.parametrize("trap", [_link, _hard_link, _dangling, _loop, _fifo])
def test_nothing_is_written_through_a_link(tmp_path: Path, trap: Callable[[Path, Path], None]) -> None:
    """A link or a device in a frame's place is replaced by the frame; the target of the link is unchanged."""
    path, victim, place = tmp_path / "a.tar.gz", tmp_path / "victim", tmp_path / "a" / NAME
    path.write_bytes(packed(tar(entry(NAME, FRAME))))
    victim.write_bytes(b"untouched")
    place.parent.mkdir()
    trap(place, victim)

    extract(path, progress=False)

    assert not place.is_symlink()
    assert place.read_bytes() == FRAME
    assert victim.read_bytes() == b"untouched"
    assert {file.name for file in tmp_path.iterdir()} == {"a", "a.tar.gz", "victim"}


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_link_to_the_correct_bytes_becomes_a_file(tmp_path: Path) -> None:
    """A link to a frame elsewhere does not count as the frame: its target may be removed."""
    path, place = tmp_path / "a.tar.gz", tmp_path / "a" / NAME
    path.write_bytes(packed(tar(entry(NAME, FRAME))))
    (tmp_path / "other").write_bytes(FRAME)
    place.parent.mkdir()
    place.symlink_to(tmp_path / "other")

    extract(path, keep_archives=False, progress=False)

    assert not place.is_symlink()
    assert place.read_bytes() == FRAME


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_target_folder_may_be_a_link(tmp_path: Path) -> None:
    """A folder of frames that the user has placed on another disk is filled there."""
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed(tar(entry(NAME, FRAME))))
    (tmp_path / "large").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "large")

    extract(path, progress=False)

    assert (tmp_path / "a").is_symlink()
    assert [file.name for file in (tmp_path / "large").iterdir()] == [NAME]


def test_a_folder_in_a_frames_place_stays(tmp_path: Path) -> None:
    """A folder in place of a frame is not removed, but reported."""
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed(tar(entry(NAME, FRAME))))
    (tmp_path / "a" / NAME / "inside").mkdir(parents=True)

    with pytest.raises(StorageError, match=r"a cannot be written \(Is a directory\): choose another folder"):
        extract(path, progress=False)

    assert [file.name for file in (tmp_path / "a").rglob("*")] == [NAME, "inside"]


@pytest.mark.skipif(os.name != "posix", reason="needs a FIFO")
@pytest.mark.parametrize("place", ["fifo", "/dev/zero", "n" * 300, "loop"])
@pytest.mark.parametrize("reader", ["extract", "scan"])
def test_a_source_that_is_not_a_regular_file_raises(tmp_path: Path, place: str, reader: str) -> None:
    """A source with endless bytes, without any, or with an invalid name is never opened."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    with pytest.raises(RadarNbError, match=r"neither a file|there is no archive|cannot be read|does not exist"):
        extract(tmp_path / place, progress=False) if reader == "extract" else read_paths.found(tmp_path / place)
