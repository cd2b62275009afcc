"""The command `radar-nb`: the same steps as in a notebook, for a terminal or a script."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import shtab

import radar_nb as rn
from radar_nb.cli.configuration import configuration
from radar_nb.cli.cube_commands import add_cube
from radar_nb.cli.doctor import examine, findings_table
from radar_nb.errors import Incomplete, RadarNbError
from radar_nb.fetch.downloading import resumption
from radar_nb.fetch.syncing import sync, sync_plan
from radar_nb.mirror import Mirror, make_archives
from radar_nb.mirror.faults.rules import load_faults
from radar_nb.runtime.files import replacing, storage_errors
from radar_nb.runtime.report import Report
from radar_nb.runtime.wording import human_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from radar_nb.fetch.syncing import SyncPlan
    from radar_nb.runtime.table import Table

_EPILOG = """\
From months to a field:
  radar-nb plan YW 2020-06                     what there is, how much, what is on disk
  radar-nb download YW 2020-06 --folder data   fetch it; run again to go on after a break
  radar-nb sync YW 2001 2025 --folder data     bring what is new or was re-issued, in years
  radar-nb plot data --time 2020-06-13T15:25   draw a field straight from the archives
  radar-nb accumulate data --to total.nc       add all up, straight from the archives
  radar-nb cube build YW.zarr data             years as one array that answers in milliseconds

Months are written YYYY-MM, whole years YYYY; two make a range to which both belong. Times are UTC, and the end
of the interval. The data folder is --folder, then RADAR_NB_DATA, then the user's data folder; the server is
--base-url, then RADAR_NB_BASE_URL, then https://opendata.dwd.de. Data: Deutscher Wetterdienst, CC BY 4.0.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; those of the process by default. None at all show the help.

    Returns
    -------
    int
        0 if all went well, 1 if something failed (the reason stands in one line on standard error), 130 after
        Ctrl-C. Arguments that make no sense end the process with 2.
    """
    words = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(words or ["--help"])
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except RadarNbError as error:
        if options.debug:
            raise
        text = str(error).splitlines()[0] if isinstance(error, Incomplete) else str(error)
        print(f"radar-nb: {text}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        if options.debug:
            raise
        print("radar-nb: stopped; run the same command again to go on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="radar-nb",
        description="German rain radar (RADOLAN, RADKLIM): plan, download, extract, look.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"radar-nb {rn.__version__}")
    debug = argparse.ArgumentParser(add_help=False)
    debug.add_argument("--debug", action="store_true", help="show the traceback of an error")
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="print JSON instead of a table")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("product", metavar="PRODUCT", help="such as YW, RW or SF; `radar-nb info` shows all")
    where.add_argument("first", metavar="FIRST", help="a month, YYYY-MM, or a year, YYYY")
    where.add_argument(
        "last", metavar="LAST", nargs="?", help="the last month or year of a range; it belongs to it"
    )
    where.add_argument("--source", default="auto", choices=("auto", "radklim", "radolan", "nrt"),
                       help="the family of the product; auto takes the one that covers the range")  # fmt: skip
    where.add_argument("--base-url", metavar="URL", help="the server")
    where.add_argument("--folder", metavar="DIR", help="the data folder")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str, *parents: Any) -> Any:
        command = commands.add_parser(name, help=text, description=text, parents=[*parents, debug])
        command.set_defaults(command=run)
        return command

    plan = add("plan", _plan, "Tell what there is to fetch, how much it is and what is on disk.", where, as_json)
    download = add("download", _download, "Fetch the archives of months; go on where it stopped.", where, as_json)
    for command in (plan, download):
        command.add_argument(
            "--listing", action="store_true", help="ask the server for true sizes and what is there"
        )
    download.add_argument("--concurrency", type=int, metavar="N", help="connections at a time (5)")
    download.add_argument("--overwrite", action="store_true", help="fetch again what is there already")
    download.add_argument("--refresh", action="store_true", help="fetch again what has changed on the server")
    _add_pace(download)
    _add_sync(add, where, as_json)
    _add_files(add, as_json)
    _add_accumulate(add)
    add_cube(
        add("cube", _cube, "Years as one array that answers in milliseconds: build, tell, verify, repair."),
        as_json,
        debug,
    )
    _add_mirror(add)
    demo = add("demo", _demo, "Do the main job in half a minute, with synthetic rain and no network.")
    demo.add_argument("--folder", metavar="DIR", default=Path("demo"), type=Path, help="where to (demo)")
    _add_care(add, as_json)
    return parser


def _add_files(add: Callable[..., Any], as_json: argparse.ArgumentParser) -> None:
    extract = add("extract", _extract, "Unpack archives into folders of frames; not needed to plot.", as_json)
    extract.add_argument("archives", metavar="ARCHIVE", nargs="+", type=Path)
    extract.add_argument("--folder", metavar="DIR", type=Path, help="where to; beside each archive by default")
    extract.add_argument("--workers", type=int, metavar="N", help="days unpacked at the same time")
    extract.add_argument(
        "--remove-archives", action="store_true", help="remove an archive once all its frames lie whole"
    )
    info = add("info", _info, "Show the products, one product, or what frames and archives hold.", as_json)
    info.add_argument("subject", metavar="PRODUCT|PATH", nargs="*")
    plot = add("plot", _plot, "Draw a field of archives, frames, a cube, or of what accumulate wrote.")
    plot.add_argument("source", metavar="PATH", nargs="+",
                      help="archives, frames, folders, a cube, or what accumulate wrote")  # fmt: skip
    plot.add_argument("--variable", metavar="NAME", help="where accumulate wrote several")
    plot.add_argument("--time", metavar="UTC", help="the field's time, such as 2020-06-13T15:25")
    plot.add_argument("--output", metavar="FILE", default="field.png", type=Path, help="picture (field.png)")
    plot.add_argument("--dpi", type=int, default=150, help="dots per inch (150)")


def _add_care(add: Callable[..., Any], as_json: argparse.ArgumentParser) -> None:
    doctor = add("doctor", _doctor, "Look whether all is well on this machine, and tell what to do.", as_json)
    config = add("config", _config, "Show the settings in force, and where each came from.", as_json)
    config.add_argument("action", choices=("show",), metavar="show", help="the only thing to do: there is no file")
    config.add_argument("--origin", action="store_true", help="tell whether argument, environment or default")
    for command in (doctor, config):
        command.add_argument("--base-url", metavar="URL", help="the server")
        command.add_argument("--folder", metavar="DIR", help="the data folder")
    add("versions", _versions, "Show what is installed, for a report of a fault.", as_json)
    completion = add("completion", _completion, "Print a script that lets a shell complete these commands.")
    completion.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)


def _add_sync(add: Callable[..., Any], *parents: argparse.ArgumentParser) -> None:
    command = add(
        "sync", _sync, "Bring a folder up to the server: what is new, re-issued, or broken here.", *parents
    )
    command.add_argument(
        "--verify", action="store_true", help="read all that lies here through; repair the broken"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="only tell what would be done; asks for listings alone"
    )
    command.add_argument("--concurrency", type=int, metavar="N", help="connections at a time (5)")


def _add_pace(command: argparse.ArgumentParser) -> None:
    command.add_argument("--bandwidth-limit", metavar="MB/S", type=float, help="megabytes a second, in all")
    command.add_argument("--connections-per-file", metavar="N", type=int, default=1,
                         help="for large files; one is polite (1)")  # fmt: skip
    command.add_argument("--no-verify", action="store_true", help="take what comes, right or wrong")


def _add_accumulate(add: Callable[..., Any]) -> None:
    accumulate = add("accumulate", _accumulate, "Add up, or find means, extremes and counts, into a netCDF file.")
    accumulate.add_argument("source", metavar="DATA", nargs="+", help="archives, frames, folders, or a cube")
    accumulate.add_argument("--to", metavar="FILE", required=True, type=Path, help="netCDF file to write")
    accumulate.add_argument("--how", nargs="+", default=["sum"], choices=("sum", "mean", "max", "min", "count"),
                            help="one or several (sum)")  # fmt: skip
    accumulate.add_argument("--period", metavar="LENGTH", help="such as 1h, 1D, 1M or YS; all in one by default")
    accumulate.add_argument("--threshold", metavar="VALUE", nargs="+", type=float,
                            help="with --how count: count intervals that are not below")  # fmt: skip
    accumulate.add_argument("--product", metavar="PRODUCT", help="where the data hold several")
    accumulate.add_argument("--sums", metavar="WHICH", default="apart",
                            help="of overlapping sums: apart, all, or those ending at HH:MM (apart)")  # fmt: skip


def _add_mirror(add: Callable[..., Any]) -> None:
    mirror = add("mirror", _mirror, "Serve a folder on this machine as DWD's server does, real or synthetic.")
    mirror.add_argument("--root", metavar="DIR", required=True, type=Path, help="the folder to serve")
    mirror.add_argument("--port", type=int, default=8930, help="on 127.0.0.1 (8930)")
    mirror.add_argument(
        "--public",
        metavar="ADDRESS",
        nargs="?",
        const="0.0.0.0",  # noqa: S104 - only if asked for
        help="serve other machines too, on one address or all: who reaches it can read all files",
    )
    mirror.add_argument("--faults", metavar="FILE", type=Path,
                        help="misbehave on purpose, by the rules of a TOML file")  # fmt: skip
    mirror.add_argument("--synthetic", metavar=("PRODUCT", "MONTH"), nargs=2,
                        help="first fill the folder with synthetic archives, such as YW 2020-06")  # fmt: skip
    mirror.add_argument("--days", type=int, metavar="N", help="with --synthetic: only the month's first N days")
    mirror.add_argument("--hdf5", action="store_true", help="with --synthetic: in HDF5, as DWD does since 2025-11")
    mirror.add_argument("--seed", type=int, default=0, help="with --synthetic: another seed, other weather")


def _plan(options: argparse.Namespace) -> int:
    plan = _made_plan(options)
    _show(options, plan)
    return 1 if plan.missing else 0


def _made_plan(options: argparse.Namespace) -> rn.Plan:
    return rn.plan(
        options.product,
        options.first,
        options.last,
        source=options.source,
        folder=options.folder,
        base_url=options.base_url,
        listing=options.listing,
    )


def _download(options: argparse.Namespace) -> int:
    plan = _made_plan(options)
    if (line := resumption(plan)) and not options.overwrite:
        print(line, file=sys.stderr)
    report = rn.download(
        plan,
        concurrency=options.concurrency,
        overwrite=options.overwrite,
        refresh=options.refresh,
        verify=not options.no_verify,
        connections_per_file=options.connections_per_file,
        bandwidth_limit=options.bandwidth_limit and options.bandwidth_limit * 1e6,
        errors="report",
    )
    return _finish(options, report)


def _sync(options: argparse.Namespace) -> int:
    asked = (options.product, options.first, options.last)
    where = {"source": options.source, "folder": options.folder, "base_url": options.base_url}
    if options.dry_run:
        found = sync_plan(*asked, **where, verify=options.verify)
        _show(options, found)
        return 1 if found.plan.missing else 0
    report = sync(*asked, **where, verify=options.verify, concurrency=options.concurrency, errors="report")
    return _finish(options, report)


def _extract(options: argparse.Namespace) -> int:
    report = rn.extract(
        options.archives,
        folder=options.folder,
        workers=options.workers,
        keep_archives=not options.remove_archives,
        errors="report",
    )
    return _finish(options, report)


def _finish(options: argparse.Namespace, report: Report) -> int:
    _show(options, report)
    report.raise_for_failures()
    return 0


def _show(options: argparse.Namespace, value: rn.Plan | SyncPlan | Report) -> None:
    print(json.dumps(value.to_dict(), indent=1) if options.json else value)


def _info(options: argparse.Namespace) -> int:
    if not options.subject:
        _print(options, rn.products())
        return 0
    if len(options.subject) == 1 and not Path(options.subject[0]).exists():
        _print(options, rn.product(options.subject[0]).table())
        return 0
    from radar_nb.analysis.inputs import dataset_of, named  # noqa: PLC0415 - xarray is not loaded by other commands

    facts = _facts(cast("xr.Dataset", dataset_of(named(options.subject), progress=True)))
    print(json.dumps(facts, indent=1) if options.json else "\n".join(f"{k:>16}  {v}" for k, v in facts.items()))
    return 0


def _facts(ds: xr.Dataset) -> dict[str, Any]:
    (name,) = ds.data_vars
    variable = ds[name]
    return {
        "product": str(name),
        "what": ds.attrs["title"],
        "unit": f"{variable.attrs['units']} in {variable.attrs['interval_minutes']} min",
        "grid": f"{ds.sizes['y']} x {ds.sizes['x']} cells",
        "first": f"{ds.time.values[0].astype('datetime64[s]')} UTC",
        "last": f"{ds.time.values[-1].astype('datetime64[s]')} UTC",
        "frames": ds.sizes["time"],
        "frames missing": ds.attrs["frames_missing"],
        "frames doubled": ds.attrs["frames_doubled"],
        "radars": ds.attrs["radars"],
        "unpacked": human_bytes(variable.size * 2),
    }


def _plot(options: argparse.Namespace) -> int:
    from radar_nb.analysis.inputs import field_of_paths  # noqa: PLC0415 - xarray is not loaded by other commands

    field = field_of_paths(options.source, options.variable)
    _save(rn.plot(field, time=options.time), options.output, dpi=options.dpi)
    return 0


def _accumulate(options: argparse.Namespace) -> int:
    from radar_nb.analysis.inputs import named  # noqa: PLC0415 - the same
    from radar_nb.analysis.reductions import reduce  # noqa: PLC0415 - xarray is not loaded by other commands

    ds = reduce(
        named(options.source),
        options.how if len(options.how) > 1 else options.how[0],
        period=options.period,
        threshold=options.threshold,
        variables=options.product,
        sums=options.sums,
    )
    packed = {name: {"zlib": True, "complevel": 1} for name in ds.data_vars}
    with replacing(options.to) as file:
        file.write(cast("bytes", ds.to_netcdf(engine="h5netcdf", encoding=packed)))
    names = ", ".join(str(name) for name in ds.data_vars if name != "coverage")
    begin, end = ds.time_bnds.values.min(), ds.time_bnds.values.max()
    spans = f"{ds.sizes['time']} periods, " if "time" in ds.dims else ""
    print(f"{options.to}: {names}, {spans}{begin.astype('datetime64[m]')} to {end.astype('datetime64[m]')} UTC")
    return 0


def _cube(options: argparse.Namespace) -> int:
    shown = options.shown(options)
    if isinstance(shown, Report):
        return _finish(options, shown)
    _print(options, shown)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    findings = examine(folder=options.folder, base_url=options.base_url)
    _print(options, findings_table(findings))
    return 1 if any(finding.state == "trouble" for finding in findings) else 0


def _config(options: argparse.Namespace) -> int:
    _print(options, configuration(folder=options.folder, base_url=options.base_url, origin=options.origin))
    return 0


def _versions(options: argparse.Namespace) -> int:
    _print(options, rn.show_versions())
    return 0


def _completion(options: argparse.Namespace) -> int:
    print(shtab.complete(_parser(), options.shell))
    return 0


def _print(options: argparse.Namespace, table: Table) -> None:
    print(json.dumps(list(table), indent=1) if options.json else table)


def _save(axes: Axes, path: Path, *, dpi: int) -> None:
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        cast("Figure", axes.get_figure(root=True)).savefig(path, dpi=dpi, bbox_inches="tight")
    print(path)


def _mirror(options: argparse.Namespace) -> int:
    if options.synthetic:
        product, text = options.synthetic
        days = None if options.days is None else range(1, options.days + 1)
        make_archives(options.root, product, text, hdf5=options.hdf5, seed=options.seed, days=days)
    faults = load_faults(options.faults) if options.faults else None
    host = options.public or "127.0.0.1"
    with Mirror(options.root, host=host, port=options.port, faults=faults, public=bool(options.public)) as mirror:
        if faults:
            print(faults.table())
        if options.public:
            print(
                f"public: who reaches {host} can read every file below {options.root} (no password, no encryption)"
            )
        print(f"serving {options.root} as {mirror.url} (Ctrl-C ends)\n"
              f"try: radar-nb plan YW 2020-06 --base-url {mirror.url} --folder data", flush=True)  # fmt: skip
        mirror.serve_forever()
    return 0


def _demo(options: argparse.Namespace) -> int:
    """Walk the whole road against the embedded mirror."""
    root, data = options.folder / "mirror", options.folder / "data"
    print("1. Synthetic rain: two days of YW in DWD's names, nesting and bytes")
    make_archives(root, "YW", "2020-06", days=(13, 14))
    with Mirror(root) as mirror:
        print(f"2. A small DWD on this machine, {mirror.url}; the plan:")
        plan = rn.plan("YW", "2020-06", folder=data, base_url=mirror.url, listing=True)
        print(f"{plan}\n3. Download:")
        downloaded = rn.download(plan)
        print(downloaded)
    print("4. Extraction (not needed to read, but offered):")
    print(rn.extract(downloaded))
    print("5. Opened straight from the archive, lazily:")
    ds = rn.open_dataset(downloaded)
    hourly = ds.YW.isel(time=slice(None, None, 12))
    wettest = hourly.isel(time=int(hourly.sum(("y", "x")).argmax("time")))
    print("\n".join(f"   {name}: {fact}" for name, fact in _facts(ds).items()))
    print("6. Pictures:")
    _save(rn.plot(wettest), options.folder / "field.png", dpi=150)
    return 0
