"""The explorer: it opens sources, reports data that it cannot show, answers questions and exports pages."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from PIL import Image
from support import cubes

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS, to_xy
from radar_nb.errors import NotWritable, SettingsError
from radar_nb.mirror.frames import synthetic_frames
from radar_nb.widgets.explorer.html_export import make_page

if TYPE_CHECKING:
    from pathlib import Path

GRID = GRIDS["de900"]


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RADAR_NB_LANG", raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")


def fields(values: Any = 0.5, count: int = 3, **attrs: Any) -> xr.DataArray:
    """Return hourly amounts on a corner of DWD's grid."""
    step = np.timedelta64(attrs.get("interval_minutes", 60), "m")
    times = np.datetime64("2020-06-13T00:50", "ns") + np.arange(count) * step
    coords = {"time": times, "y": GRID.y[:40], "x": GRID.x[:30]}
    data = np.full((count, 40, 30), values, np.float32)
    about = {"units": "mm", "interval_minutes": 60, "long_name": "precipitation"}
    return xr.DataArray(data, coords, ("time", "y", "x"), name="RW", attrs=about | attrs)


class Client:
    """A browser's side of the conversation: sends questions and keeps the answers."""

    def __init__(self, explorer: rn.Explorer) -> None:
        self._explorer = explorer
        self.answers: list[dict[str, Any]] = []
        self.buffers: list[list[bytes]] = []
        explorer.send = self._hear

    def _hear(self, answer: dict[str, Any], buffers: Any = ()) -> None:
        self.answers.append(answer)
        self.buffers.append(list(buffers))

    def ask(self, **question: Any) -> dict[str, Any]:
        """Send a question as a browser does, and return the last answer."""
        self._explorer._handle_custom_msg(question, [])  # noqa: SLF001 - where ipywidgets takes messages
        return self.answers[-1] if self.answers else {}


class TestStillPicture:
    """The picture that a saved notebook shows without widgets."""

    def test_a_saved_notebook_shows_the_field_as_a_picture(self) -> None:
        """The output holds a PNG of the field as well as the widget, and pyplot has no open figure afterwards."""
        data, _ = rn.Explorer(fields(3.0))._repr_mimebundle_()
        image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))

        assert "application/vnd.jupyter.widget-view+json" in data
        assert image.format == "PNG"
        assert image.size[0] > 300
        assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 20  # not a blank page
        assert plt.get_fignums() == []

    def test_data_that_cannot_be_shown_have_a_text_instead_of_a_picture(self) -> None:
        """The text states the same reason as the widget."""
        data, _ = rn.Explorer(fields().rename(x="east"))._repr_mimebundle_()

        assert "image/png" not in data
        assert "east" in data["text/plain"]


class TestOpening:
    """Sources that the explorer opens."""

    def test_frames_are_opened_as_raw_codes(self, tmp_path: Path) -> None:
        """A source is read as raw codes without conversion to floats, and the copied code opens it again."""
        times = [np.datetime64("2020-06-13T00:50"), np.datetime64("2020-06-13T01:50")]
        for time, frame in synthetic_frames("RW", times):
            stamp = f"{time.astype(datetime):%y%m%d%H%M}"
            (tmp_path / f"raa01-rw_10000-{stamp}-dwd---bin").write_bytes(frame)

        explorer = rn.Explorer(tmp_path)

        assert explorer.problem == ""
        assert explorer.frames.data.dtype == np.uint16
        assert explorer.span == (0, 1)
        assert "2 fields" in repr(explorer)
        assert Client(explorer).ask(type="hello")["info"]["source"] == f"open_dataset({str(tmp_path)!r})"

    def test_the_info_describes_the_fields(self) -> None:
        """The info has title, times, units, classes, and the position of a radar site."""
        info = Client(rn.Explorer(fields(radars="ess"))).ask(type="hello")["info"]

        assert info["title"] == "Precipitation"
        assert info["times"][0] == 1_592_009_400_000
        assert [unit["name"] for unit in info["units"]] == ["mm in 1 h"]
        assert info["shape"] == [40, 30]
        assert all(len(ramp) == 6 * 256 for ramp in info["palettes"].values())

    def test_it_starts_at_the_first_field_with_data(self) -> None:
        """The first field is the first with data, since accumulations often begin with an incomplete interval."""
        values = np.full((5, 40, 30), 0.5)
        values[:2] = np.nan

        assert rn.Explorer(fields(values, count=5)).index == 2
        assert rn.Explorer(fields(np.nan)).index == 0

    @pytest.mark.parametrize(
        ("lang", "title", "of_sum"),
        [
            ("en", "Rain in an hour, adjusted to gauges (RW)", "Rain, adjusted to gauges (RW)"),
            (
                "de",
                "Niederschlag in einer Stunde, an Messstationen angeeicht (RW)",
                "Niederschlag, an Messstationen angeeicht (RW)",
            ),
        ],
    )
    def test_the_title_of_a_sum_does_not_name_the_interval_of_its_fields(
        self, lang: str, title: str, of_sum: str
    ) -> None:
        """The title of a sum over three days does not say hourly rain."""
        data = fields(long_name="hourly precipitation, gauge-adjusted")

        info = Client(rn.Explorer(data, lang=lang)).ask(type="hello")["info"]

        assert (info["title"], info["sum_title"]) == (title, of_sum)

    def test_german_names_classes_and_summarises_errors(self) -> None:
        """With `lang="de"` classes have German names, also those of levels, and an error has a German summary."""
        about: dict[str, Any] = {"long_name": "kind", "units": "", "flag_values": np.array([0, 3, 7, 9], "u1")}
        about |= {"flag_meanings": "no_precipitation from_19_to_28.5_dBZ below_7_dBZ slush"}
        info = Client(rn.Explorer(fields(0, **about), lang="de")).ask(type="hello")["info"]
        problem = rn.Explorer(xr.Dataset(), lang="de").problem

        assert info["units"][0]["names"] == (
            *("kein Niederschlag", "von 19 bis 28,5 dBZ", "unter 7 dBZ", "slush", "anderes"),
        )
        assert problem.startswith("Diese Dateien bilden keine Reihe. no field to show")

    @pytest.mark.parametrize(
        ("gauges", "match"),
        [
            (3, "gauges of type int"),
            (xr.DataArray(np.zeros(2), dims="station"), "pass \\(time, point\\)"),
            (
                xr.DataArray([1.0], {"lon": ("point", [9.0]), "lat": ("point", [50.0])}, "point"),
                "gauges are in None",
            ),
        ],
    )
    def test_unusable_gauges_are_explained(self, gauges: Any, match: str) -> None:
        """Gauges of another type, shape or unit are named instead of being drawn wrongly."""
        assert re.search(match, rn.Explorer(fields(), gauges=gauges, lang="en").problem)

    def test_the_return_period_of_an_amount_is_that_of_its_cell_and_duration(self) -> None:
        """A field has the interval's, a sum its own duration's; bounds and a lacking duration are named."""
        data = fields()
        years = np.random.default_rng(2).gumbel(20, 6, (2, 25, 40, 30))
        coords = {"duration": np.array([60, 180], "m8[m]").astype("m8[ns]"), "year": np.arange(25),
                  "y": data.y, "x": data.x}  # fmt: skip
        maxima = xr.DataArray(years, coords, ("duration", "year", "y", "x"), attrs={"units": "mm"})
        levels = rn.return_levels(maxima, [10], resamples=0)
        client = Client(rn.Explorer(data, levels=levels))
        info = client.ask(type="hello")["info"]

        def ask(amount: float, count: int) -> dict[str, Any]:
            return client.ask(type="period", view="v", key="k", cell=[7, 3], amount=amount, fields=count)

        ten = float(levels.level.sel(duration="3h")[0, 7, 3])
        assert info["levels"]
        assert ask(ten, 3) == {
            "type": "period", "view": "v", "key": "k", "minutes": 180, "years": pytest.approx(10), "bound": "",
            "edition": 0,
        }  # fmt: skip
        found = [(ask(amount, count)["years"], ask(amount, count)["bound"]) for amount, count in
                 ((0.0, 1), (1e5, 1), (30.0, 2))]  # fmt: skip
        assert found == [(2, "below"), (75, "over"), (None, "none")]
        unusable: list[tuple[Any, str]] = [
            (levels.isel(x=slice(9)), "levels lack some cells of the fields"),
            (levels.isel(x=0), "levels have no cells y and x"),
            (maxima, "levels is not a result of return_levels"),
        ]
        for wrong, match in unusable:
            assert match in rn.Explorer(data, levels=wrong).problem
        assert "the fields are in 'dBZ'" in rn.Explorer(fields(units="dBZ"), levels=levels).problem

    def test_rates_are_offered_for_short_intervals(self) -> None:
        """5-minute sums can be seen in mm/h, by a factor of twelve."""
        info = Client(rn.Explorer(fields(interval_minutes=5))).ask(type="hello")["info"]

        assert [(unit["name"], unit["factor"]) for unit in info["units"]] == [("mm in 5 min", 1), ("mm/h", 12)]

    def test_a_cube_has_the_fields_and_series_of_its_archives(self, tmp_path: Path) -> None:
        """The folder of a cube, or its Dataset, has the same fields and series as the archives."""
        days = ["2019-10-14", "2019-10-15", "2019-10-20"]
        hours = cubes.archive(tmp_path / "RW201910.tar.gz", days, hours=cubes.HOURS[::3], rows=900, cols=900)
        rn.build_cube(hours, tmp_path / "cube", progress=False)
        expected = rn.open_dataset(hours, progress=False).RW

        for data in (tmp_path / "cube", rn.open_cube(tmp_path / "cube")):
            explorer = rn.Explorer(data)
            assert explorer.problem == ""
            assert explorer.frames.chunked
            np.testing.assert_array_equal(explorer.field.values, expected[0].values)
            for row, col in ((450, 450), (20, 880)):
                box = explorer.frames.box(0, len(explorer.frames), slice(row, row + 1), slice(col, col + 1))
                np.testing.assert_allclose(box.ravel(), expected[:, row, col].values, atol=1e-6)
        assert Client(rn.Explorer(tmp_path / "cube")).ask(type="hello")["info"]["source"].startswith("open_cube(")

    @pytest.mark.parametrize(("units", "name"), [("dBZ", "dBZ"), ("1", "fraction"), ("mm h-1", "mm/h")])
    def test_only_amounts_are_shown_in_millimetres(self, units: str, name: str) -> None:
        """A reflectivity with an interval is not shown in mm, and has no sum."""
        info = Client(rn.Explorer(fields(units=units))).ask(type="hello")["info"]

        assert info["units"][0]["name"] == name
        assert not info["sums"]

    def test_sites_have_positions_in_cells(self) -> None:
        """Positions are in cells from the south-western corner; the centre of the first cell is 0.5."""
        whole = xr.DataArray(np.zeros(GRID.shape), {"y": GRID.y, "x": GRID.x}, ("y", "x"), name="RW")

        ((name, col, row),) = Client(rn.Explorer(whole.assign_attrs(radars="ess"))).ask(type="hello")["info"][
            "sites"
        ]

        x, y = to_xy(6.967111, 51.405649, "sphere")
        assert name == "ess"
        assert col - 0.5 == pytest.approx((x - GRID.x0) / 1000, abs=0.06)
        assert row - 0.5 == pytest.approx((y - GRID.y0) / 1000, abs=0.06)

    @pytest.mark.parametrize("data", [fields(np.nan), fields(count=1), fields()[0], fields().sum("time")])
    def test_poor_data_are_shown(self, data: xr.DataArray) -> None:
        """The explorer shows fields without any value, a single field, and a field without time."""
        client = Client(rn.Explorer(data))

        assert client.ask(type="hello")["problem"] == ""
        assert client.ask(type="frames", wanted=[0])["frames"][0]["index"] == 0

    @pytest.mark.parametrize(
        ("data", "word"),
        [
            (xr.Dataset(), "no field to show"),
            (fields(count=0), "holds no field"),
            (fields().assign_coords(y=np.arange(40.0), x=np.arange(30.0)), "polar stereographic"),
            ("/no/such/file", "does not exist"),
            (b"nothing", ""),
        ],
    )
    def test_data_that_cannot_be_shown_are_reported_in_the_widget(self, data: Any, word: str) -> None:
        """The widget shows the reason, raises nothing, and does not answer further questions."""
        client = Client(rn.Explorer(data))

        assert word.lower() in client.ask(type="hello")["problem"].lower()
        assert client.answers[-1]["problem"]
        client.ask(type="frames", wanted=[0])
        assert len(client.answers) == 1

    def test_frames_of_two_grids_are_reported(self, tmp_path: Path) -> None:
        """Frames of two products cannot be played; the message names them."""
        ((_, hour),) = synthetic_frames("RW", [np.datetime64("2020-06-13T00:50")])
        ((_, minutes),) = synthetic_frames("YW", [np.datetime64("2020-06-13T00:55")], family="radklim")
        for name, frame in (("rw", hour), ("yw2017.002", minutes)):
            (tmp_path / f"raa01-{name}_10000-2006130055-dwd---bin").write_bytes(frame)

        assert "holds 2 products, RW (1 frame), YW (1 frame): choose one" in rn.Explorer(tmp_path).problem


class TestAnswers:
    """Answers to questions."""

    def test_the_field_is_the_one_that_is_shown(self) -> None:
        """`field` follows `index`, with values of packed codes."""
        explorer = rn.Explorer(fields(np.arange(3)[:, None, None]))

        explorer.index = 2

        assert float(explorer.field.max()) == 2.0

    def test_a_question_of_another_version_is_reported(self) -> None:
        """An unknown question, as from a page of an older release, is answered with an error, not a traceback."""
        assert Client(rn.Explorer(fields())).ask(type="sing")["type"] == "problem"

    @pytest.mark.parametrize("look", [{}, {"limits": [0.1, 2.0], "palette": "viridis"}])
    def test_a_film_is_made(self, look: dict[str, Any]) -> None:
        """A film is made as GIF, or as MP4 with ffmpeg, in the chosen colours, and is sent in pieces."""
        client = Client(rn.Explorer(fields()))

        answer = client.ask(type="animation", span=[0, 2], fps=10, **look)

        film = b"".join(part for buffers in client.buffers for part in buffers)
        assert answer["type"] == "file"
        assert answer["name"] in {"RW.gif", "RW.mp4"}
        assert film[:3] == b"GIF" or b"ftyp" in film[:12]

    def test_a_film_can_be_stopped(self) -> None:
        """Drawing ends when the film is stopped."""
        explorer = rn.Explorer(fields(count=400))

        async def ask() -> None:
            client = Client(explorer)
            client.ask(type="animation", span=[0, 399], fps=10)
            while not [answer for answer in client.answers if answer["type"] == "progress"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            client.ask(type="stop", id="animation")
            while any(thread.name.startswith("radar_nb-film") for thread in threading.enumerate()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert client.answers[-1]["type"] == "progress"

        asyncio.run(asyncio.wait_for(ask(), 20))

    def test_a_page_is_sent_in_pieces(self, tmp_path: Path) -> None:
        """The kernel does not hold the whole page; the joined pieces equal what `save_html` writes."""
        client = Client(explorer := rn.Explorer(fields()))
        explorer.save_html(path := tmp_path / "page.html", first=1)

        answer = client.ask(type="page", span=[1, 2])

        parts = [part for buffers in client.buffers for part in buffers]
        assert answer["name"] == "RW.html"
        assert len(parts) == 4
        assert b"".join(parts) == path.read_bytes()

    def test_a_page_begins_with_the_view_of_the_browser(self, tmp_path: Path) -> None:
        """Unit, places and part of the map are those last seen, and the field is the one on the map."""
        explorer = rn.Explorer(fields())
        explorer.index, explorer.view_state = 2, {"unit": 1, "places": [{"cell": [3, 4], "name": "Köln"}]}

        text = explorer.save_html(tmp_path / "page.html", first=1).read_text(encoding="utf-8")

        found = re.search(r'<script id="content"[^>]*>(.*?)</script>', text, re.DOTALL)
        assert found is not None
        assert json.loads(found[1])["info"]["state"] == explorer.view_state | {"index": 1}

    def test_towns_are_found_by_name(self) -> None:
        """The answer has a position and the town's own name; an unknown name has no position."""
        client = Client(rn.Explorer(fields()))

        found = client.ask(type="town", name="Cologne", view="a")
        assert (found["name"], found["lon"], found["lat"], found["view"]) == ("Köln", 6.95, 50.933, "a")
        assert "lon" not in client.ask(type="town", name="Kölln")

    def test_a_film_of_one_field_is_reported(self) -> None:
        """A film of a single field is answered with a message, not a traceback."""
        answer = Client(rn.Explorer(fields(count=1))).ask(type="animation", span=[0, 0], fps=10)

        assert answer["type"] == "problem"

    @pytest.mark.parametrize(("name", "value"), [("index", 3), ("index", -1), ("span", (2, 1)), ("span", (0, 3))])
    def test_an_index_without_a_field_is_refused(self, name: str, value: Any) -> None:
        """An index outside the fields raises, and the current index stays."""
        explorer = rn.Explorer(fields())

        with pytest.raises(SettingsError, match=rf"{name}=.* is out of range: .* from 0 to 2"):
            setattr(explorer, name, value)
        assert (explorer.index, explorer.span) == (0, (0, 2))

    def test_an_explorer_can_be_closed_twice(self) -> None:
        """Closing a closed explorer has no effect."""
        explorer = rn.Explorer(fields())

        explorer.close()
        explorer.close()


class TestPage:
    """The exported page, which works without a kernel."""

    def test_the_page_holds_the_span_and_needs_no_network(self, tmp_path: Path) -> None:
        """The page holds the fields from first to last and contains no address of a server."""
        path = rn.Explorer(fields(count=5), lang="de").save_html(tmp_path / "page.html", first=1, last=3)

        page = path.read_text(encoding="utf-8")
        found = re.search(r'<script id="content"[^>]*>(.*?)</script>', page, re.DOTALL)
        assert found
        content = json.loads(found[1])
        assert page.count('<script class="frame"') == content["info"]["count"] == 3
        assert content["texts"]["play"] == "Abspielen"
        assert not re.findall(r"https?://", page.replace("http://www.w3.org/2000/svg", ""))

    def test_a_title_is_escaped(self, tmp_path: Path) -> None:
        """Text from a file is inserted as text, never as code."""
        data = fields(long_name="</script><script>alert(1)</script>")

        page = rn.Explorer(data).save_html(tmp_path / "page.html").read_text(encoding="utf-8")

        assert "<script>alert" not in page

    @pytest.mark.parametrize(("first", "last"), [(5, 3), (0, 5), (-1, 2), (5, None)])
    def test_a_span_without_fields_is_refused(self, tmp_path: Path, first: int, last: int | None) -> None:
        """A span that selects no field, or fields that do not exist, raises and writes no file."""
        explorer = rn.Explorer(fields(count=5))

        with pytest.raises(SettingsError, match="is not a span of fields: they are numbered from 0 to 4"):
            explorer.save_html(tmp_path / "page.html", first=first, last=last)
        assert list(tmp_path.iterdir()) == []

    def test_the_page_does_not_name_folders_of_this_machine(self, tmp_path: Path) -> None:
        """The code on the page opens the file by its name without a folder."""
        times = [np.datetime64("2020-06-13T00:50")]
        ((_, frame),) = synthetic_frames("RW", times)
        folder = tmp_path / "private"
        folder.mkdir()
        path = folder / "raa01-rw_10000-2006130050-dwd---bin"
        path.write_bytes(frame)

        for number, source in enumerate((path, [path])):
            page = rn.Explorer(source).save_html(tmp_path / f"page{number}.html").read_text(encoding="utf-8")
            assert path.name in page
            assert "private" not in page

    def test_a_page_too_large_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A page too large for browsers raises, and the error says what is possible."""
        monkeypatch.setattr("radar_nb.widgets.explorer.html_export.PAGE_LIMIT", 800)
        explorer = rn.Explorer(fields(np.random.default_rng(1).random((12, 40, 30)), count=12))
        info = Client(explorer).ask(type="hello")["info"]

        with pytest.raises(SettingsError, match=r"a page with 12 fields would be larger than .* fields at most"):
            list(make_page(explorer.frames, info, (0, 11), "en", least=0.1))

    def test_an_unwritable_path_raises(self, tmp_path: Path) -> None:
        """A path that cannot be written raises the usual error."""
        (tmp_path / "file").touch()

        with pytest.raises((NotWritable, rn.errors.StorageError), match="file"):
            rn.Explorer(fields()).save_html(tmp_path / "file" / "page.html")

    def test_data_that_cannot_be_shown_make_no_page(self, tmp_path: Path) -> None:
        """`save_html` raises with the reason if the data cannot be shown."""
        with pytest.raises(SettingsError, match="the explorer shows no field: no field to show"):
            rn.Explorer(xr.Dataset()).save_html(tmp_path / "page.html")


class TestLanguage:
    """The explorer in English and German."""

    def test_an_unknown_language_is_refused(self) -> None:
        """The error lists the available languages."""
        with pytest.raises(SettingsError, match="fr"):
            rn.Explorer(fields(), lang="fr")

    @pytest.mark.parametrize(("name", "value"), [("RADAR_NB_LANG", "de"), ("LANG", "de_DE.UTF-8")])
    def test_the_environment_sets_the_language(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        """The environment sets the language if no argument does."""
        monkeypatch.setenv(name, value)

        assert rn.Explorer(fields()).texts["play"] == "Abspielen"
