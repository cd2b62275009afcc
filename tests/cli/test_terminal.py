"""Terminal output: messages of the library in the command's own options."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support import cubes

import radar_nb as rn
from radar_nb.cli import terminal
from radar_nb.cli.main import main, make_parser
from radar_nb.cli.terminal import Parser, say
from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from radar_nb.runtime.progress import Progress

SOURCE = Path(rn.__file__).parent

PYTHON_ONLY = {
    # plots, analyses and widgets that have no command
    "ax", "classes", "cmap", "col", "col_wrap", "confidence", "cumulative", "duration", "every", "fps", "hourly",
    "method", "min_area", "most", "names", "points", "resamples", "return_periods", "scales", "thresholds", "year",
    "clock", "counted", "data", "durations", "lat", "lon", "min_depth", "norm", "now", "return_period", "shape",
    "since", "step", "timeout", "tzinfo", "vmax", "vmin", "begin", "memory", "peaks", "point", "region", "series",
    "size", "steps", "extent", "geometry", "kind", "logarithm", "levels", "longest_period", "version",
    "antecedent",
    # of open_dataset and open_cube, and attributes of data
    "chunks", "client", "clutter", "fill_gaps", "interval_minutes", "packed", "resolution",
    "href",  # of a listing's HTML
}  # fmt: skip
"""Arguments in messages without a command's option: their functions exist only in Python."""


def commands(parser: argparse.ArgumentParser) -> Iterator[Parser]:
    """Yield the parsers of all commands, those of `radar-nb cube` too."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of commands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            for command in action.choices.values():
                yield command
                yield from commands(command)


def in_messages() -> dict[str, str]:
    """Return the arguments named in the library's error messages, `name=`, each with a file that names it."""
    found: dict[str, str] = {}
    for path in SOURCE.rglob("*.py"):
        if path.relative_to(SOURCE).parts[0] in {"cli", "widgets", "mirror"}:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and str(getattr(node.func, "id", "")) in dir(rn.errors):
                texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                for text in filter(lambda value: isinstance(value, str), texts):
                    found |= dict.fromkeys(re.findall(r"(?<![\w/?&.-])([a-z_]{3,})=", str(text)), path.name)
    return found


@pytest.mark.parametrize("command", list(commands(make_parser())), ids=lambda command: command.prog)
def test_every_option_replaces_the_python_argument_that_it_sets(command: Parser) -> None:
    """`name="x"` and `name=` become `--name x` and `--name`; a switch stands alone, or after "without"."""
    for name, action in command.parameters.items():
        word = action.option_strings[-1] if action.option_strings else action.metavar or name.upper()
        if action.nargs == 0:
            found = command.in_options(f"pass {name}={action.const}, or {name}={not action.const}")
            assert found == f"pass {word}, or without {word}"
        else:
            found = command.in_options(f"{name}='x' or {name}=[1, 2] ({name}=), f(..., {name}=...)")
            assert found == f"{word} x or {word} 1 2 ({word}), f(..., {word})"


def test_every_argument_in_a_message_has_an_option_or_is_for_python() -> None:
    """Every argument in a message has an option, or is listed as one of Python alone."""
    known = {name for command in commands(make_parser()) for name in command.parameters}
    unknown = {name: path for name, path in in_messages().items() if name not in known | PYTHON_ONLY}

    assert unknown == {}


@pytest.mark.parametrize(
    "function", [rn.plan, rn.download, rn.sync, rn.extract], ids=lambda function: function.__name__
)
def test_options_are_named_like_the_arguments_that_they_set(function: Callable[..., Any]) -> None:
    """The translation requires that `dest` is the parameter's name."""
    command = next(one for one in commands(make_parser()) if one.prog == f"radar-nb {function.__name__}")
    own = {"help", "debug", "json", "dry_run", "listing"}
    months = {"product", "first", "last", "source", "form", "folder", "base_url"}

    assert set(command.parameters) - own - months <= set(inspect.signature(function).parameters)


def test_advice_without_a_command_is_removed() -> None:
    """Arguments that a command lacks, and functions of Python beside another remedy, are left out."""
    parser = Parser()
    parser.add_argument("--lead")

    assert parser.in_options("leave out run= and lead=") == "leave out --lead"
    assert (
        parser.in_options('2 files are wrong (errors="report" opens the rest): a, b') == "2 files are wrong: a, b"
    )
    assert parser.in_options('choose one, such as lead="30min", or open them with open_dataset') == (
        "choose one, such as --lead 30min"
    )


def test_advice_without_an_option_is_removed() -> None:
    """Advice in brackets that applies only to Python is removed; options of download are named with it."""
    parser = Parser()

    assert parser.in_options("choose another folder (folder=) or address (argument base_url=)") == (
        "choose another folder or address"
    )
    assert parser.in_options("fetch it with verify=False or with overwrite=True") == (
        "fetch it with radar-nb download --no-verify or with radar-nb download --overwrite"
    )


def test_functions_of_cubes_become_their_commands() -> None:
    """A remedy names the command, once, in place of the function in Python."""
    text = "run repair_cube (`radar-nb cube repair`), then build_cube(overwrite=True) and build_series"

    assert Parser().in_options(text) == (
        "run radar-nb cube repair, then radar-nb cube build --overwrite and radar-nb cube series"
    )


def test_an_empty_folder_is_one_sentence_for_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command that reads a folder exits with 1, names it with a remedy of its own, and adds nothing."""
    empty = tmp_path / "empty"
    empty.mkdir()
    gauges, areas = (tmp_path / name for name in ("gauges.csv", "areas.geojson"))
    gauges.write_text("time,A\n2020-06-13T00:50Z,1\n2020-06-13T01:00Z,1\n", "utf-8")
    areas.write_text(
        '{"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": '
        "[[[12, 51], [13, 51], [13, 52], [12, 51]]]}}", "utf-8",
    )  # fmt: skip
    more = {
        "accumulate": ["--to", "{out}.nc"], "points": ["--place", "Leipzig"], "areas": ["--areas", f"{areas}"],
        "exceedance": ["--thresholds", "5", "--place", "Leipzig"], "events": ["--threshold", "5"],
        "catalogue": ["--kostra", "Dresden"], "return-levels": ["--place", "Leipzig"],
        "compare": ["--gauges", f"{gauges}", "--label", "end"],
        "export": ["--place", "Leipzig", "--output", "{out}.csv"],
        "export-grid": ["--model", "delft3d", "--crs", "25832", "--cell", "1000", "--output", "{out}.nc"],
        "cube verify": [f"{empty}"], "cube commit": ["{out}", "--message", "as issued"],
    }  # fmt: skip
    places = {("source", "PATH"), ("source", "PRODUCT|PATH"), ("store", "STORE"), ("archives", "ARCHIVE")}
    reading = [
        one for one in commands(make_parser())
        if any((action.dest, action.metavar) in places for action in one.parameters.values())
    ]  # fmt: skip
    wrong = {}
    for name in (command.prog.removeprefix("radar-nb ") for command in reading):
        words = [*name.split(), *([f"{tmp_path / 'new.zarr'}"] if name == "cube build" else []), f"{empty}"]
        code = main([*words, *(word.format(out=tmp_path / "out") for word in more.get(name, []))])
        said = capsys.readouterr().err
        whole = re.fullmatch(rf"radar-nb: .*{re.escape(str(empty))}.*: (download|pass|build|check) .*\n", said)
        python = re.search(r"\w_\w|=", said.replace(str(empty), ""))
        if code != 1 or whole is None or python or any(empty.iterdir()):
            wrong[name] = (code, said)

    assert wrong == {}
    assert len(reading) > 20


def test_addresses_and_paths_are_not_translated() -> None:
    """Only arguments in prose are translated."""
    parser = Parser()
    parser.add_argument("--source")

    text = "https://example.org/a?source=1&source=2 and data/source=dwd/x"

    assert parser.in_options(text) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["plan", "YW", "2020-06", "--base-url", "x"], "--base-url"),
        (["download", "YW", "2020-06", "--base-url", "http://127.0.0.1:9"], "--base-url"),
        (["accumulate", "{data}", "--to", "{out}", "--period", "7min"], "--period 7min"),
        (["accumulate", "{data}", "--to", "{out}", "--min-coverage", "2"], "--min-coverage 2.0"),
        (["accumulate", "{data}", "--to", "{out}", "--period", "1D", "--timezone", "Berlin"], "--timezone Berlin"),
        (["accumulate", "{data}", "--to", "{out}", "--period", "1D", "--day-begin", "noon"], "--day-begin noon"),
        (["accumulate", "{data}", "--to", "{out}", "--sums", "some"], "--sums some"),
        (["plot", "{data}"], "choose one with --time"),
        (["plot", "{data}", "--time", "yesterday"], "yesterday"),
        (["extract", "{data}", "--workers", "0"], "--workers 0 is not a number of threads"),
    ],
)
def test_errors_name_options(
    arguments: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No message of a command names an argument of Python."""
    data = cubes.archive(tmp_path / "RW201910.tar.gz", ["2019-10-14"])
    words = [word.format(data=data, out=tmp_path / "a.nc") for word in arguments]

    assert main(words) == 1

    stderr = capsys.readouterr().err
    assert text in stderr
    assert re.findall(r"(?<![\w/?&.-])[a-z_]{3,}=", stderr) == []


def test_an_unexpected_error_is_one_line_and_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bug of radar_nb shows no traceback, and says how to report it; --debug raises it."""

    def broken() -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(rn, "products", broken)

    assert main(["info"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "radar-nb: unexpected error (RuntimeError: two lines); run again with --debug, and report what it prints"
    )
    with pytest.raises(RuntimeError, match="two"):
        main(["info", "--debug"])


def test_a_long_error_is_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Thousands of damaged files do not fill the terminal."""

    def broken() -> None:
        raise SettingsError("\n".join(f"file {number}" for number in range(5000)))

    monkeypatch.setattr(rn, "products", broken)

    assert main(["info"]) == 1

    lines = capsys.readouterr().err.splitlines()
    assert (len(lines), lines[-1]) == (13, "  ... and 4988 more lines (--debug shows all)")


def test_failures_of_several_items_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table names the failures; the last line states their number and what to do."""
    good = cubes.archive(tmp_path / "RW201910.tar.gz", ["2019-10-14"])
    (tmp_path / "RW201911.tar.gz").write_bytes(b"damaged")

    assert main(["extract", str(good), str(tmp_path / "RW201911.tar.gz")]) == 1

    assert capsys.readouterr().err.splitlines()[-1] == (
        "radar-nb: extract: 1 of 2 failed, as listed above; run the same command again to resume"
    )


def test_the_only_failure_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A single archive that cannot be unpacked has its reason as the error, and no table that repeats it."""
    (tmp_path / "RW201911.tar.gz").write_bytes(b"damaged")

    assert main(["extract", str(tmp_path / "RW201911.tar.gz")]) == 1

    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("RW201911.tar.gz")) == ("", 1)


def test_waiting_is_shown_by_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be counted reports how long it runs, until it ends."""
    seen: list[Progress] = []
    twice = threading.Event()

    def note(event: Progress) -> None:
        seen.append(event)
        if len(seen) > 1:
            twice.set()

    @contextmanager
    def recording(*, progress: bool) -> Iterator[Callable[[Progress], None]]:
        assert progress
        yield note

    monkeypatch.setattr(terminal, "reporting", recording)
    with terminal.waiting("latest", every=0.001):
        assert twice.wait(60)

    assert [(one.task, one.done, one.unit) for one in seen[:2]] == [("latest", 1, "s"), ("latest", 2, "s")]
    assert not any(thread.name == "radar_nb-waiting" for thread in threading.enumerate())


def test_a_month_with_one_measured_day_has_no_total(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The total is missing, and the line states why; with --min-coverage 0 it is the sum of that day."""
    data = cubes.archive(tmp_path / "RW201910.tar.gz", ["2019-10-14"])
    words = ["accumulate", str(data), "--period", "1M", "--how", "sum", "count", "--threshold", "0.1", "--to"]

    assert main([*words, str(tmp_path / "a.nc")]) == 0
    printed = capsys.readouterr().out
    assert main([*words, str(tmp_path / "b.nc"), "--min-coverage", "0"]) == 0

    assert "no values since less than 95 % of the time was measured (--min-coverage)" in printed
    with xr.open_dataset(tmp_path / "a.nc") as missing, xr.open_dataset(tmp_path / "b.nc") as there:
        assert np.isnan(missing["RW_sum"]).all()
        assert np.isnan(missing["RW_count"]).all()
        assert float(there["RW_sum"].max()) > 0


def test_days_of_a_time_zone_can_be_summed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--timezone and --day-begin have the same effect as the arguments of `accumulate`."""
    data = cubes.archive(tmp_path / "RW201910.tar.gz", ["2019-10-14"])
    options = ["--period", "1D", "--timezone", "Europe/Berlin", "--day-begin", "06:00", "--min-coverage", "0"]

    assert main(["accumulate", str(data), "--to", str(tmp_path / "a.nc"), *options]) == 0

    expected = rn.accumulate(
        data, "1D", timezone="Europe/Berlin", day_begin="06:00", min_coverage=0, progress=False
    )
    with xr.open_dataset(tmp_path / "a.nc") as found:
        np.testing.assert_array_equal(found["RW"], expected["RW"])
        np.testing.assert_array_equal(found["time_bnds"], expected["time_bnds"])


def test_two_commands_that_write_the_same_file_both_succeed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two commands with one target file both succeed; the file is complete, and no other file is left."""
    data = cubes.archive(tmp_path / "RW201910.tar.gz", ["2019-10-14"])
    rn.open_dataset(data, progress=False)  # writes the index once
    path = tmp_path / "out" / "a.nc"
    codes: list[int] = []
    words = ["accumulate", str(data), "--to", str(path), "--min-coverage", "0"]
    threads = [threading.Thread(target=lambda: codes.append(main(words))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert codes == [0] * 6
    assert [entry.name for entry in path.parent.iterdir()] == ["a.nc"]
    with xr.open_dataset(path) as found:
        assert found["RW"].notnull().any()


@pytest.mark.skipif(sys.platform == "win32", reason="no file of Windows has such a name")
def test_control_characters_of_files_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An archive's name cannot set the terminal's title, in results or errors."""
    folder = tmp_path / "a\x1b]0;owned\x07"
    data = cubes.archive(folder / "RW201910.tar.gz", ["2019-10-14"])

    assert main(["extract", str(data)]) == 0
    assert main(["accumulate", str(data), "--to", str(folder / "a.nc")]) == 0
    assert (
        main(["plot", str(folder / "a.nc"), "--output", str(folder / "a.png"), "--variable", "RW", "--dpi", "30"])
        == 0
    )
    assert main(["plot", str(folder / "a.nc"), "--variable", "YW"]) == 1
    assert main(["info", str(folder / "none.tar")]) == 1

    output = "".join(capsys.readouterr())
    assert "a?]0;owned?" in output
    assert "\x1b" not in output
    assert "\x07" not in output


def test_a_cube_at_an_address_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Facts, sums, extremes and maps equal those of the folder."""
    data = cubes.archive(tmp_path / "RW201910.tar.gz", ["2019-10-14"])
    rn.build_cube(data, tmp_path / "cube", progress=False)
    address, out = f"file://{tmp_path / 'cube'}", str(tmp_path / "a.nc")

    assert main(["info", str(tmp_path / "cube"), "--json"]) == 0
    folder = capsys.readouterr().out
    assert main(["info", address, "--json"]) == 0
    assert capsys.readouterr().out == folder
    assert (
        main(["plot", address, "--time", "2019-10-14T01:50", "--output", str(tmp_path / "a.png"), "--dpi", "30"])
        == 0
    )
    assert main(["accumulate", address, "--to", out, "--min-coverage", "0"]) == 0
    with xr.open_dataset(out) as found:
        np.testing.assert_array_equal(found["RW"], rn.accumulate(data, min_coverage=0, progress=False).RW)
    assert main(["accumulate", address, "--to", out, "--how", "max", "--min-coverage", "0"]) == 0
    with xr.open_dataset(out) as found:
        np.testing.assert_array_equal(found["RW"], rn.reduce(data, "max", progress=False).RW)


@pytest.mark.parametrize("command", ["info", "plot", "accumulate"])
def test_an_address_without_a_cube_is_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is one line: neither a client's long output nor "s3:/bucket does not exist"."""
    address = f"file://{tmp_path / 'nowhere'}"
    more = ["--to", str(tmp_path / "a.nc")] if command == "accumulate" else []

    assert main([command, address, *more]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"radar-nb: {address} is not an address of object storage (")
    assert line.endswith("try s3://bucket/YW")


def test_a_remedy_of_another_command_names_that_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a damaged file `info` names the command that fetches it again."""
    (tmp_path / "raa01-yw2017.002_10000-2006131530-dwd---bin").write_bytes(b"")

    assert main(["info", str(tmp_path)]) == 1

    assert "is empty (0 bytes): fetch it again with radar-nb download --overwrite" in capsys.readouterr().err


def test_skipped_files_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`info` lists the files of a folder that it skipped."""
    (tmp_path / "frame").write_bytes(cubes.frame("2019-10-14T14:50"))
    (tmp_path / "README.txt").write_text("These are frames.")

    assert main(["info", str(tmp_path)]) == 0

    assert "README.txt was skipped" in capsys.readouterr().out


def test_printed_text_has_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in a name from outside are replaced, so it cannot set the terminal's title."""
    say("data/\x1b]0;owned\x07")

    assert capsys.readouterr().out == "data/?]0;owned?\n"


def test_all_commands_print_with_the_same_function() -> None:
    """Only `say`, which cleans texts, and the script for shells call print."""
    found = {
        (path.stem, node.func.id)
        for path in Path(terminal.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }

    assert found == {("terminal", "print"), ("machine_commands", "print")}
