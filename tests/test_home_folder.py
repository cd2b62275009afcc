"""Paths: `~` is the home folder wherever the public API accepts a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.frames import frame, save
from support.small_rain import rain

import radar_nb as rn
from radar_nb.errors import NothingFound, SettingsError
from radar_nb.mirror import Mirror

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder with one archive; the working directory is another."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    save(tmp_path / "home" / "frames", frame("2020-06-13T15:20"), frame("2020-06-13T15:25"))
    return tmp_path / "home"


def written(home: Path, name: str) -> bool:
    """Return whether a file is in the home folder, and none in the working directory."""
    return (home / name).exists() and not list((home.parent / "here").iterdir())


def test_plans_and_downloads_use_the_home_folder(home: Path) -> None:
    """`folder=` of a plan and of a download may begin with `~`; the second has precedence."""
    (home / "served").mkdir()
    with Mirror("~/served") as mirror:
        plan = rn.plan("YW", "2020-06", folder="~/planned", base_url=mirror.url)
        rn.download(plan, folder="~/data", errors="report", progress=False)

    assert plan.folder == home / "planned"
    assert written(home, "data")


def test_archives_are_opened_and_extracted_in_the_home_folder(home: Path) -> None:
    """Sources, archives and target folders may begin with `~`."""
    report = rn.extract("~/frames/frame-000", folder="~/extracted", progress=False)

    assert rn.open_dataset("~/frames", progress=False).sizes["time"] == 2
    assert report.paths[0].parent == home / "extracted"
    assert written(home, "extracted")


def test_results_are_written_to_the_home_folder(home: Path) -> None:
    """Paths of exports, cubes and films may begin with `~`."""
    ds = rn.open_dataset("~/frames", progress=False)

    rn.export(rn.at_points(ds, {"a": (10.0, 51.0)}), "~/points.csv")
    rn.build_cube("~/frames", "~/cube", progress=False, client=False)
    rn.animate(ds.YW).save("~/film.gif")

    assert written(home, "points.csv")
    assert written(home, "cube")
    assert written(home, "film.gif")
    assert rn.open_cube("~/cube").sizes["time"] > 0


def test_points_are_read_from_the_home_folder(home: Path) -> None:
    """The path of a table of places may begin with `~`."""
    (home / "points.csv").write_text("name,lon,lat\na,10.0,51.0\n")

    assert rn.at_points(rn.open_dataset("~/frames", progress=False), "~/points.csv").sizes["point"] == 1


def test_areas_are_searched_in_the_home_folder(home: Path) -> None:
    """The error for missing areas names the expanded path."""
    pytest.importorskip("geopandas", reason="geopandas is not installed")
    with pytest.raises(NothingFound, match=str(home / "areas.geojson")):
        rn.over_areas(rain([[[1.0]]]), "~/areas.geojson")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("https://opendata.dwd.de/x.tar", "a web address"),
        ("s3://bucket/YW2017.002_202006.tar", "in object storage"),
    ],
)
def test_an_address_in_place_of_a_path_raises(source: Any, kind: str) -> None:
    """An address in place of a path raises; the message says what to do instead."""
    with pytest.raises(SettingsError, match=rf"{source} is {kind}.*download them first"):
        rn.open_dataset(source, progress=False)
