"""The command line: its output, exit codes and errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import xarray as xr
from support import cubes

import radar_nb as rn
from radar_nb.analysis.reductions import reduce
from radar_nb.analysis.totals import with_coverage
from radar_nb.cli.main import main
from radar_nb.dwd.months import Month
from radar_nb.errors import UnknownProduct
from radar_nb.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Iterator

    from radar_nb.analysis.reductions import How


@pytest.fixture(scope="module")
def server(real_mirror: Path) -> Iterator[str]:
    """Serve the real mirror on this machine."""
    with Mirror(real_mirror) as mirror:
        yield mirror.url


def test_the_readmes_commands(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The README's commands, run in order, return 0 and produce their results."""
    where = ["--base-url", server, "--folder", str(tmp_path)]
    folder = tmp_path / "climate_environment/CDC/grids_germany/hourly/radolan/reproc/2017_002/bin/2017"
    path = folder / "RW2017.002_201712.tar.gz"

    assert main(["plan", "RW", "2017-12", "--source", "radklim", *where]) == 0
    assert main(["download", "RW", "2017-12", *where]) == 0
    assert main(["extract", str(path)]) == 0
    assert main(["info", str(path.with_name("RW2017.002_201712"))]) == 0
    assert (
        main(["plot", str(tmp_path), "--time", "2017-12-31T08:50", "--output", str(tmp_path / "a" / "b.png")]) == 0
    )

    printed = capsys.readouterr().out
    assert "RW2017.002_201712.tar.gz" in printed
    assert "48" in printed
    assert len(list(path.with_name("RW2017.002_201712").iterdir())) == 48
    assert (tmp_path / "a" / "b.png").read_bytes().startswith(b"\x89PNG")


def test_info_counts_classes_and_lead_times(
    real_forms: Path, real_present: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A product of classes has no unit, and a run has a number of lead times."""
    assert main(["info", str(next(real_forms.glob("raa01-pg*")))]) == 0
    assert "7 classes every 5 min" in capsys.readouterr().out
    assert main(["info", str(real_present / "composite_rv_20250923_0855.tar")]) == 0
    assert "lead times" in (printed := capsys.readouterr().out)
    assert ", from 0 to " in printed


def test_sync_goes_from_a_dry_run_to_an_up_to_date_folder(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run only reports; sync fetches the archive, finds no change, and repairs damage."""
    command = ["sync", "RW", "2017-12", "--base-url", server, "--folder", str(tmp_path / "data")]

    assert main([*command, "--dry-run"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert not (tmp_path / "data").exists()
    assert main([*command, "--json"]) == 0
    (outcome,) = json.loads(capsys.readouterr().out)["outcomes"]
    assert main([*command, "--dry-run", "--verify", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    Path(outcome["path"]).write_bytes(b"")
    assert main([*command, "--verify"]) == 0

    assert first.startswith("RW (radklim): 1 new; ")
    assert outcome["state"] == "done"
    assert found["counts"] == {"same": 1}
    assert "was broken: has 0 bytes instead of" in " ".join(capsys.readouterr().out.split())


def test_a_year_with_missing_months(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A year is all its months; missing ones are named, and the command returns 1."""
    where = ["--base-url", server, "--folder", str(tmp_path), "--dry-run"]

    assert main(["sync", "RW", "2017", *where]) == 1

    printed = capsys.readouterr().out
    assert "1 new, 11 missing" in printed
    assert "2017-03: no such file on the server" in printed


def test_accumulate_writes_a_file_that_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The netCDF holds what `reduce` returns, missing where little was measured; one line summarises it."""
    hours = [f"{hour:02d}:50" for hour in range(24)]
    source = cubes.archive(tmp_path / "RW201910.tar.gz", ["2019-10-14", "2019-10-15"], hours=hours)
    path = tmp_path / "a" / "total.nc"
    arguments = ["accumulate", str(source), "--to", str(path), "--how", "sum", "count"]
    arguments += ["quantile", "histogram", "--threshold", "0.1", "1", "--quantile", "0.5", "--bins", "0", "1", "9"]

    assert main([*arguments, "--period", "1D", "--product", "rw"]) == 0

    hows: list[How] = ["sum", "count", "quantile", "histogram"]
    chosen: dict[str, Any] = {"threshold": [0.1, 1.0], "quantile": [0.5], "bins": [0, 1, 9]}
    expected = reduce(source, hows, period="1D", progress=False, **chosen)
    for name in ("RW_count", "RW_histogram"):
        expected[name] = expected[name].astype("float32")
    expected = with_coverage(expected, 0.95)
    with xr.open_dataset(path) as again:
        xr.testing.assert_identical(again.load(), expected)
    (line,) = capsys.readouterr().out.strip().splitlines()
    names = "RW_sum, RW_count, RW_quantile, RW_histogram"
    assert line == f"{path}: {names}, 2 periods, 2019-10-13 23:50 UTC to 2019-10-15 23:50 UTC"
    assert [entry.name for entry in path.parent.iterdir()] == ["total.nc"]


def test_a_cube_is_described_drawn_and_summed_like_its_archive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Facts, picture and sums are the same for the archive and its cube."""
    source = cubes.archive(tmp_path / "RW201910.tar.gz", ["2019-10-14"])
    rn.build_cube(source, tmp_path / "cube", progress=False)
    facts = []
    for data in (source, tmp_path / "cube"):
        assert main(["info", str(data)]) == 0
        facts.append(capsys.readouterr().out)
        assert (
            main(["plot", str(data), "--time", "2019-10-14T01:50", "--output", f"{data}.png", "--dpi", "30"]) == 0
        )
        assert main(["accumulate", str(data), "--to", f"{data}.nc"]) == 0
        capsys.readouterr()

    assert facts[0] == facts[1]
    assert Path(f"{source}.png").read_bytes() == Path(f"{tmp_path / 'cube'}.png").read_bytes()
    with xr.open_dataset(f"{source}.nc") as archived, xr.open_dataset(f"{tmp_path / 'cube'}.nc") as cubed:
        xr.testing.assert_identical(archived.load(), cubed.load())


def test_a_file_of_accumulate_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A single variable needs no name; for a missing or wrong name the error lists the names."""
    source = cubes.archive(tmp_path / "RW201910.tar.gz", ["2019-10-14"])
    one, two, picture = str(tmp_path / "one.nc"), str(tmp_path / "two.nc"), tmp_path / "field.png"
    assert main(["accumulate", str(source), "--to", one]) == 0
    assert main(["accumulate", str(source), "--to", two, "--how", "sum", "max"]) == 0

    assert main(["plot", one, "--output", str(picture), "--dpi", "30"]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["plot", two, "--variable", "RW_max", "--output", str(tmp_path / "max.png"), "--dpi", "30"]) == 0
    for wrong in ([], ["--variable", "YW"]):
        capsys.readouterr()
        assert main(["plot", two, *wrong]) == 1
        assert "two.nc holds RW_sum, RW_max: choose one with --variable, such as RW_sum" in capsys.readouterr().err


def test_a_file_that_only_claims_to_be_netcdf_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The traceback of xarray is not shown."""
    (tmp_path / "g.nc").write_bytes(b"garbage")

    assert main(["plot", str(tmp_path / "g.nc")]) == 1

    assert "g.nc is not a readable netCDF file" in capsys.readouterr().err


def test_json_can_be_read_by_a_program(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints one JSON value for plan, download and info."""
    where = ["--base-url", server, "--folder", str(tmp_path), "--json"]

    assert main(["plan", "RW", "2017-12", *where]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert main(["download", "RW", "2017-12", *where]) == 0
    report = json.loads(capsys.readouterr().out)
    assert main(["info", report["outcomes"][0]["path"], "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)

    assert plan["archives"][0]["url"].startswith(server)
    assert report["outcomes"][0]["state"] == "done"
    assert (facts["product"], facts["frames"], facts["frames_missing"]) == ("RW", 48, 0)
    assert (facts["first"], facts["shape"]) == ("2017-12-30T00:50:00Z", [1100, 900])
    assert facts["bytes_unpacked"] == 48 * 1100 * 900 * 2


def test_the_products(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a path, info lists the products; with a product's name, that product."""
    assert main(["info"]) == 0
    assert main(["info", "sf"]) == 0

    printed = capsys.readouterr().out
    assert "5-minute precipitation, gauge-adjusted" in printed
    assert "RADOLAN: the operational series" in printed


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["plan", "YX", "2020-06"], "unknown product 'YX': did you mean"),
        (["plan", "YW", "June"], "'June' is not a valid month: write YYYY-MM"),
        (["download", "YW", "2020-06", "--base-url", "http://127.0.0.1:9"], "127.0.0.1:9"),
        (["sync", "YW", "2020-06", "--base-url", "http://127.0.0.1:9"], "127.0.0.1:9"),
        (["sync", "YW", "2021", "2020"], "2021-01 to 2020-12 is reversed"),
        (["extract", "nowhere.tar"], "nowhere.tar"),
        (["info", "nowhere.tar"], "is neither a product nor an existing file or folder"),
        (["info", "deep/nowhere"], "'deep/nowhere' is neither a product nor an existing file"),
        (["plot", "nowhere"], "nowhere does not exist"),
        (["accumulate", "nowhere", "--to", "a.nc"], "nowhere does not exist"),
        (["accumulate", "nowhere", "--to", "a.nc", "--threshold", "1"], "--threshold 1.0 needs --how count"),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure prints its reason in one line, without a traceback."""
    assert main(arguments) == 1

    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("radar-nb: ")
    assert text in line


def test_a_time_without_a_field(real_frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Plot with a missing time lists the available ones."""
    path = str(real_frames / "raa01-yw2017.002_10000-2006131525-dwd---bin")

    assert main(["plot", path, "--time", "2020-06-13T15:27"]) == 1

    assert "2020-06-13" in capsys.readouterr().err


def test_a_part_of_the_map_is_drawn(real_frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A town, a box, or areas choose the part; wrong ones are one line."""
    pytest.importorskip("geopandas", reason="shapes need the extra gis")
    path = str(real_frames / "raa01-yw2017.002_10000-2006131525-dwd---bin")
    areas = tmp_path / "areas.geojson"
    ring = [[12.4, 51.2], [12.7, 51.2], [12.7, 51.4], [12.4, 51.2]]
    areas.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}), encoding="utf-8")
    picture = ["--output", str(tmp_path / "a.png"), "--dpi", "30"]

    for part in (["--place", "Leipzig", "--within", "25km"], ["--box", "12", "51", "13", "52"], []):
        assert main(["plot", path, *part, "--areas", str(areas), *picture]) == 0
    capsys.readouterr()
    for wrong, text in (
        (["--place", "Lepzig"], "unknown place 'Lepzig': the nearest names are Leipzig"),
        (["--within", "25km"], "--within 25km has no centre: add --place"),
        (["--place", "Leipzig", "--box", "12", "51", "13", "52"], "--place and --box are two parts of the map"),
    ):
        assert main(["plot", path, *wrong, *picture]) == 1
        assert text in capsys.readouterr().err


def test_plot_draws_the_sum_of_a_day(
    real_mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--day draws what accumulate sums for the day; a day that is not whole, or meant by --time, is refused."""
    rasterio = pytest.importorskip("rasterio", reason="GeoTIFF needs the extra gis")
    path, picture = str(real_mirror / RW), tmp_path / "day.tif"
    day = rn.accumulate(rn.open_dataset(path, progress=False), "1D").RW.sel(time="2019-10-14")
    command = ["plot", path, "--place", "Emden", "--output", str(picture)]

    assert main([*command, "--day", "2019-10-14"]) == 0
    with rasterio.open(picture) as file:
        drawn = file.read(1, masked=True)
    assert float(drawn.max()) == pytest.approx(float(day.radar.clip("Emden").max()), abs=0.01)
    for wrong, text in (
        (["--day", "2019-10-14", "--timezone", "Europe/Berlin"], "only 92 % of 2019-10-14 (Europe/Berlin) is in"),
        (
            ["--time", "2019-10-14"],
            "--time 2019-10-14 is a day, and each field is 60 min: choose its sum with --day",
        ),
        (["--time", "2019-10-14T10:50", "--day", "2019-10-14"], "--day 2019-10-14 is a sum, --time"),
        (["--day", "14.10.2019"], "--day 14.10.2019 is not a date"),
    ):
        assert main([*command, *wrong]) == 1
        assert text in capsys.readouterr().err


def test_maps_for_the_web_are_written_by_suffix(
    real_frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plot writes the part that the options name as KMZ, GeoJSON, GeoTIFF or PNG in EPSG:3857."""
    pytest.importorskip("rasterio", reason="GeoTIFF needs the extra gis")
    path = str(real_frames / "raa01-yw2017.002_10000-2006131525-dwd---bin")
    part = ["--place", "Leipzig", "--within", "40km"]

    for name, more in (
        ("a.kmz", []),
        ("a.geojson", ["--classes", "0.1", "1"]),
        ("a.tif", []),
        ("a.png", ["--web"]),
    ):
        assert main(["plot", path, *part, "--output", str(tmp_path / name), *more]) == 0
    facts = json.loads((tmp_path / "a.png.json").read_text(encoding="utf-8"))
    edges = facts["bounds_in_degrees"]
    assert (edges["west"], edges["south"]) == pytest.approx((11.75, 50.96), abs=0.05)
    limits = {one["properties"]["from"] for one in json.loads((tmp_path / "a.geojson").read_text())["features"]}
    assert limits == {0.1, 1}
    capsys.readouterr()
    assert main(["plot", path, "--web", "--output", str(tmp_path / "a.gif")]) == 1
    assert "--web cannot write a.gif: choose a name that ends in .png or .kmz" in capsys.readouterr().err


def test_debug_shows_the_traceback() -> None:
    """With --debug the error is raised."""
    with pytest.raises(UnknownProduct, match="'YX'"):
        main(["plan", "YX", "2020-06", "--debug"])


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in (
    "plan", "download", "sync", "extract", "info", "plot", "accumulate", "points", "areas", "mirror", "demo",
    "cube", "doctor", "config", "versions", "completion"))])  # fmt: skip
def test_help_exits_with_0(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command has a help."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 0
    assert "radar-nb" in capsys.readouterr().out


def test_a_mirror_lists_its_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rules the mirror prints them as a table, and obeys them."""
    rules = tmp_path / "faults.toml"
    rules.write_text("[[fault]]\nkind = '503'\npath = '*.tar'\nretry_after = 7\n", encoding="utf-8")
    answers = []

    def ask(mirror: Mirror) -> None:
        client = HTTPConnection(mirror.url.removeprefix("http://"), timeout=10)
        with mirror, closing(client):
            client.request("GET", "/a.tar")
            answers.append(client.getresponse().headers["Retry-After"])

    monkeypatch.setattr(Mirror, "serve_forever", ask)
    done = main(["mirror", "--root", str(tmp_path), "--port", "0", "--faults", str(rules)])

    printed = capsys.readouterr().out
    assert (done, answers) == (0, ["7"])
    assert "503 Service Unavailable" in printed
    assert "retry_after 7" in printed


def test_a_mirror_publishes_the_present_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --present the mirror publishes the named products' last minutes, which are planned like DWD's."""
    plans = []

    def look(mirror: Mirror) -> None:
        with mirror:
            plans.append(rn.plan("HYMECNG", Month.now() + -1, Month.now(), source="nrt", base_url=mirror.url))

    monkeypatch.setattr(Mirror, "serve_forever", look)
    call = ["mirror", "--root", str(tmp_path), "--port", "0", "--present", "0.2", "--products", "HYMECNG"]

    assert main(call) == 0
    assert 1 <= len(plans[0].archives) <= 3
    assert {path.name for path in tmp_path.iterdir()} == {"weather"}


def test_a_mirror_with_wrong_rules_does_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line names the mistake in the rules."""
    rules = tmp_path / "faults.toml"
    rules.write_text("[[fault]]\nkind = 'cot'\n", encoding="utf-8")

    assert main(["mirror", "--root", str(tmp_path), "--port", "0", "--faults", str(rules)]) == 1

    assert "fault 1: unknown kind of fault 'cot': choose one of reset" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "public"), [([], False), (["--public"], True)])
def test_a_public_mirror_prints_a_warning(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    public: bool,
) -> None:
    """A mirror serves only this machine; if made public, it prints what that means."""
    monkeypatch.setattr(Mirror, "serve_forever", Mirror.close)

    assert main(["mirror", "--root", str(tmp_path), "--port", "0", *arguments]) == 0

    assert ("anyone who reaches 0.0.0.0 can read every file below" in capsys.readouterr().out) == public


def test_without_arguments_the_help_is_shown() -> None:
    """`radar-nb` alone prints its help; `python -m radar_nb` does the same."""
    printed = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own command
        for command in ([sys.executable, "-m", "radar_nb"], [str(Path(sys.executable).with_name("radar-nb"))])
    ]

    assert printed[0] == printed[1]
    assert "From months to a map:" in printed[0]


def test_doctor_exits_with_1_on_trouble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 0 if all is well, 1 if the user must act."""
    with Mirror(tmp_path) as mirror:
        assert main(["doctor", "--base-url", mirror.url, "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("All checks passed")

    assert main(["doctor", "--base-url", mirror.url, "--folder", str(tmp_path)]) == 1
    assert "without a server" in " ".join(capsys.readouterr().out.split())


def test_config_shows_values_and_origins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without `--origin` only the values are shown."""
    assert main(["config", "show", "--origin", "--folder", str(tmp_path), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert first == {"setting": "data folder", "value": str(tmp_path), "origin": "option --folder"}

    assert main(["config", "show"]) == 0
    assert "origin" not in capsys.readouterr().out


def test_versions_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the versions that a bug report needs."""
    assert main(["versions"]) == 0

    assert f"radar-nb            {rn.__version__}" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_lists_the_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed script contains each command, including those of cubes."""
    assert main(["completion", shell]) == 0

    script = capsys.readouterr().out
    assert [word for word in ("download", "doctor", "verify", "--bandwidth-limit") if word not in script] == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_completion_knows_products_towns_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The shell runs the script: a product, a town, and for `info` products and files begin with what is typed."""
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out, "utf-8")
    (tmp_path / "YWdata").touch()

    def completed(call: str) -> list[str]:
        run = subprocess.run(  # noqa: S603 - our own script
            ["bash", "-c", f"source ./script; {call}"],  # noqa: S607 - found above
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return run.stdout.split()

    assert completed("_radar_nb_town Leip") == ["Leipzig"]
    assert completed("_radar_nb_product Y") == ["YW"]
    assert completed("_radar_nb_product_or_file Y") == ["YW", "YWdata"]
    assert completed("echo $_shtab_radar_nb_points___place_COMPGEN") == ["_radar_nb_town"]


@pytest.mark.parametrize("shell", ["zsh", "fish", "tcsh", "powershell"])
def test_completion_of_each_shell_has_products_and_towns(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The words are in the script, or for tcsh and powershell at least the commands."""
    assert main(["completion", shell]) == 0

    script = capsys.readouterr().out
    words = ("Leipzig", "YW", "download") if shell in {"zsh", "fish"} else ("download",)
    assert [word for word in words if word not in script] == []


def test_a_cube_is_built_and_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An archive yields a table of years; without a cube the output is one line."""
    hours = cubes.archive(tmp_path / "RW201910.tar.gz", ["2019-10-14"])
    store = str(tmp_path / "cube")

    assert main(["cube", "build", store, str(hours)]) == 0
    assert "1 done" in capsys.readouterr().out
    assert main(["cube", "info", store, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    year = facts["years"][0]
    assert all(facts[edge].startswith("20") and facts[edge].endswith(":50:00Z") for edge in ("first", "last"))
    assert (facts["product"], facts["grid"], facts["flags"], facts["series"]) == ("RW", "de450", False, [])
    assert (year["year"], year["frames"], year["frames_missing"], year["days_not_built"]) == (2019, 4, 20, 0)
    assert year["cells_with_data"] == pytest.approx(1 - 210**2 / 450**2)
    assert facts["bytes"] == sum(path.stat().st_size for path in (tmp_path / "cube" / "RW").glob("c.*"))
    assert main(["cube", "info", str(tmp_path / "nowhere")]) == 1
    assert "build one" in capsys.readouterr().err


def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    """If a reader such as `head` closes the pipe, the command exits with 0 and prints no error."""
    words = [
        sys.executable,
        "-c",
        "from radar_nb.cli.main import main; raise SystemExit(main(['completion', 'bash']))",
    ]

    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as child:  # noqa: S603
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        stderr = child.stderr.read()

    assert (child.returncode, stderr) == (0, b"")


RW = "climate_environment/CDC/grids_germany/hourly/radolan/historical/bin/2019/RW201910.tar.gz"


def test_points_and_areas_answer_as_python_does(
    real_mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The amounts of a day and of an hour are those of `at_points`, `over_areas` and `accumulate`."""
    pytest.importorskip("geopandas", reason="shapes need the extra gis")
    path, areas = str(real_mirror / RW), tmp_path / "areas.geojson"
    ring = [[5.5, 53.5], [7.5, 53.5], [7.5, 55.0], [5.5, 53.5]]
    shape = {
        "type": "Feature",
        "properties": {"river": "Ems"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    areas.write_text(json.dumps(shape), encoding="utf-8")
    at = rn.at_points(path, {"sea": (6.5, 54.0)}, progress=False)
    on = rn.over_areas(path, areas, names="river", progress=False)

    assert main(["points", path, "--lonlat", "6.5", "54", "--day", "2019-10-14", "--json"]) == 0
    (day,) = json.loads(capsys.readouterr().out)
    assert (
        main(["points", path, "--lonlat", "6.5", "54", "--period", "1h", "--timezone", "Europe/Berlin", "--json"])
        == 0
    )
    hours = json.loads(capsys.readouterr().out)
    assert main(["areas", path, "--areas", str(areas), "--names", "river", "--json"]) == 0
    (area,) = json.loads(capsys.readouterr().out)

    assert day["mm"] == pytest.approx(float(at.RW.sum()), abs=1e-3)
    assert (day["time"], day["place"], day["measured"]) == ("2019-10-14", "6.5 54", 1.0)
    assert [hour["mm"] for hour in hours] == pytest.approx(at.RW.values[:, 0].tolist(), abs=1e-3)
    assert hours[0]["time"] == "2019-10-14 01:50 to 02:50"
    assert area["mm"] == pytest.approx(float(on.RW.sum()), abs=1e-3)
    assert area["place"] == "Ems"


def test_a_day_that_is_not_whole_is_missing(real_mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A local day of which two hours are not there has no amount, unless less is enough."""
    command = [
        "points",
        str(real_mirror / RW),
        "--place",
        "Emden",
        "--day",
        "2019-10-14",
        "--timezone",
        "Europe/Berlin",
    ]

    assert main(command) == 0
    assert "2019-10-14            Emden  missing  91.67 %" in capsys.readouterr().out
    assert main([*command, "--min-coverage", "0.9"]) == 0
    assert "missing" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--place", "Lepzig"], "unknown place 'Lepzig': the nearest names are Leipzig"),
        (["--place", "Leipzig", "--day", "13.6.2020"], "--day 13.6.2020 is not a date: write it as 2020-06-13"),
        (["--place", "Leipzig", "--day", "2020-06-13"], "no interval of 2020-06-13: choose a day from 2019-10-14"),
        (["--place", "Leipzig", "--timezone", "Berlin"], "unknown --timezone Berlin: write it as"),
        (["--lonlat", "51", "12"], "lies outside the grid"),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_line(
    options: list[str], message: str, real_mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong places, days and zones are named in the command's own words."""
    assert main(["points", str(real_mirror / RW), *options]) == 1
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
