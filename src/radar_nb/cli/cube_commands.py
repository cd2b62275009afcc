"""The commands `radar-nb cube build|info|series|...`: what they take, and what there is to print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import radar_nb as rn
from radar_nb.errors import SettingsError
from radar_nb.runtime.table import Table
from radar_nb.runtime.wording import human_bytes

if TYPE_CHECKING:
    import argparse

    from radar_nb.runtime.report import Report

_STORE = "a folder, or an address such as s3://bucket/YW"
_REPOSITORY = "a folder, or an address such as s3://bucket/history"


def add_cube(cube: argparse.ArgumentParser, *parents: argparse.ArgumentParser) -> None:
    """Add the commands to the parser of `radar-nb cube`; each sets `shown`, which returns what to print."""
    commands = cube.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, shown: Any, text: str, *, store: bool = True) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = commands.add_parser(
            name, help=text, description=text, parents=list(parents)
        )
        if store:
            command.add_argument("store", metavar="STORE", help=_STORE)
        command.set_defaults(shown=shown)
        return command

    build = add("build", _build, "Build a cube from archives or months, or add what it does not hold yet.")
    build.add_argument("source", metavar="PATH", nargs="*", help="archives, folders of them, or addresses")
    build.add_argument(
        "--months", nargs="+", metavar=("PRODUCT", "MONTH"), help="a product and one or two months, to be fetched"
    )
    build.add_argument("--base-url", metavar="URL", help="the server of --months")
    build.add_argument("--folder", metavar="DIR", help="the data folder of --months")
    build.add_argument(
        "--remove-archives",
        action="store_true",
        help="remove fetched archives when all their days are in the cube",
    )
    build.add_argument(
        "--layout",
        choices=("balanced", "maps", "series"),
        help="chunks of a new cube: for both uses, maps, or series of single cells",
    )
    build.add_argument("--lead", metavar="LENGTH", help="of forecasts, the lead time to store, such as 30min")
    build.add_argument("--flags", action="store_true", help="store the frames' flags in a new cube, too")
    build.add_argument(
        "--scheduler", metavar="URL", help="build on the workers of a dask scheduler, tcp://host:8786"
    )
    build.add_argument("--workers", type=int, metavar="N", help="threads, each of which builds a day")
    build.add_argument(
        "--overwrite", action="store_true", help="rewrite days that the cube has; fetch removed archives again"
    )
    add("info", _info, "Show what a cube holds, year by year.")
    series = add("series", _series, "Add the arrangement from which series of few cells are read fast.")
    series.add_argument("--years", type=int, nargs="+", metavar="YEAR", help="by default all that the cube holds")
    series.add_argument("--workers", type=int, metavar="N", help="threads, each of which needs some 200 MB")
    page = add("page", _page, "Write a web page that plays the cube and answers with series, from any web space.")
    page.add_argument("--output", metavar="FILE", help="by default index.html in the folder of the cube")
    page.add_argument(
        "--url", metavar="URL", help="the cube's address for browsers, unless the page lies beside it"
    )
    page.add_argument("--lang", choices=("en", "de"), help="language of the page")
    commit = add("commit", _commit, "Commit the state of a cube into an icechunk repository, as one snapshot.")
    commit.add_argument("repository", metavar="REPOSITORY", help=_REPOSITORY)
    commit.add_argument("--message", metavar="TEXT", required=True, help="what the snapshot is")
    kept = add("snapshots", _snapshots, "List the snapshots of an icechunk repository.", store=False)
    kept.add_argument("repository", metavar="REPOSITORY", help=_REPOSITORY)
    verify = add(
        "verify", _verify, "Verify a cube: checksums, metadata and coordinates, and values against archives."
    )
    verify.add_argument("source", metavar="PATH", nargs="*", help="the archives it was built from")
    verify.add_argument("--sample", type=float, metavar="SHARE", help="share of the days to verify, such as 0.01")
    add("repair", _repair, "Remove damaged days and rewrite damaged metadata; the next build recreates the days.")
    add("upgrade", _upgrade, "Bring the description of a cube of an older version up to date.")


def _build(options: argparse.Namespace) -> Report:
    if bool(options.source) == bool(options.months):
        raise SettingsError("pass either archives, or --months with a product and one or two months")
    source = options.source if len(options.source) > 1 else "".join(options.source)
    if options.months:
        if len(options.months) not in {2, 3}:
            raise SettingsError(f"--months {' '.join(options.months)}: name a product and one or two months")
        source = rn.plan(*options.months, folder=options.folder, base_url=options.base_url)
    return rn.build_cube(
        source,
        options.store,
        layout=options.layout,
        flags=options.flags or None,
        lead=options.lead,
        client=options.scheduler,
        keep_archives=not options.remove_archives,
        overwrite=options.overwrite,
        workers=options.workers,
    )


def _info(options: argparse.Namespace) -> Table | dict[str, Any]:
    facts = _facts(options.store)
    if options.json:
        return facts
    rows = [
        (
            str(year["year"]),
            *(f"{year[name]:,}" for name in ("frames", "frames_missing", "days_not_built")),
            "" if year["cells_with_data"] is None else f"{year['cells_with_data']:.1%}",
        )
        for year in facts["years"]
    ]
    chunk = " x ".join(map(str, facts["chunk"]))
    series = f", series of {len(facts['series'])} years" if facts["series"] else ""
    return Table(
        title=f"{facts['product']} on {facts['grid']}, {facts['layout']} ({chunk}), {human_bytes(facts['bytes'])}"
        f"{', with flags' if facts['flags'] else ''}{series}",
        columns=("year", "frames", "missing", "days not built", "cells with data"),
        rows=tuple(rows),
    )


def _facts(store: str) -> dict[str, Any]:
    """Return what a cube holds, as numbers, and times in ISO 8601, UTC, of the first and last frame.

    `cells_with_data` is a share of the cells of existing frames.
    """
    from radar_nb.cube.opening import required_cube  # noqa: PLC0415 - zarr is not loaded by other commands
    from radar_nb.cube.series import built_years  # noqa: PLC0415 - the same

    cube, coverage = required_cube(store), rn.cube_coverage(store)
    arrays = (cube.variable, *(["flags"] if cube.has_flags else []))
    years = (coverage.time.values - np.timedelta64(1, "s")).astype("datetime64[Y]")
    ends = coverage.time.values[coverage.state.values == 2].astype("datetime64[s]")
    found = []
    for year in np.unique(years):
        state, data = coverage.state.values[years == year], coverage.data.values[years == year]
        there = state == 2
        found.append(
            {
                "year": int(str(year)),
                "frames": int(there.sum()),
                "frames_missing": int((state == 1).sum()),
                "days_not_built": int((state == 0).sum() // cube.steps),
                "cells_with_data": round(float(np.nanmean(data[there])), 6) if there.any() else None,
            }
        )
    return {
        "store": cube.store.name,
        "product": cube.product,
        "grid": cube.grid,
        "layout": cube.layout,
        "chunk": list(cube.shards.chunk),
        "bytes": sum(file.size for array in arrays for file in cube.listed(array).values()),
        "flags": cube.has_flags,
        "first": f"{ends[0]}Z" if ends.size else None,
        "last": f"{ends[-1]}Z" if ends.size else None,
        "interval_minutes": cube.interval,
        "years": found,
        "series": built_years(cube),
    }


def _verify(options: argparse.Namespace) -> Report:
    return rn.verify_cube(options.store, options.source or None, sample=options.sample)


def _repair(options: argparse.Namespace) -> Report:
    return rn.repair_cube(options.store)


def _series(options: argparse.Namespace) -> Report:
    return rn.build_series(options.store, years=options.years, workers=options.workers)


def _page(options: argparse.Namespace) -> str:
    path = rn.cube_page(options.store, options.output, url=options.url, lang=options.lang)
    return f"{path} ({human_bytes(path.stat().st_size)}): put it and the cube into a web space"


def _commit(options: argparse.Namespace) -> str:
    return f"snapshot {rn.commit_cube(options.store, options.repository, options.message)}"


def _snapshots(options: argparse.Namespace) -> Table:
    return rn.cube_snapshots(options.repository)


def _upgrade(options: argparse.Namespace) -> Report:
    return rn.upgrade_cube(options.store)
