"""The commands from months to files on disk: plan, download, sync, extract."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import radar_nb as rn
from radar_nb.cli.terminal import finish, say, show
from radar_nb.dwd.catalogue import FORMS
from radar_nb.fetch.downloading import resumption
from radar_nb.runtime.files import user_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from radar_nb.cli.terminal import Parser


def add_archive_commands(add: Callable[..., Parser]) -> None:
    """Add the commands to the parser."""
    plan = add("plan", _plan, "Show which archives exist, how large they are, and what is on disk.", json=True)
    download = add("download", _download, "Download the archives of months; resume after a break.", json=True)
    sync = add("sync", _sync, "Update a folder: fetch what is new, re-issued, or damaged on disk.", json=True)
    for command in (plan, download, sync):
        _add_months(command)
    for command in (plan, download):
        command.add_argument("--form", choices=FORMS, help="only files of this form (binaries, continued by HDF5)")
        command.add_argument("--listing", action="store_true", help="ask the server what exists, and exact sizes")
    for command in (download, sync):
        command.add_argument("--concurrency", type=int, metavar="N", help="files to download at the same time (5)")
    download.add_argument("--overwrite", action="store_true", help="download again what is already on disk")
    download.add_argument("--refresh", action="store_true", help="download again what has changed on the server")
    download.add_argument("--bandwidth-limit", metavar="MB/S", type=float, help="total megabytes per second")
    download.add_argument("--connections-per-file", metavar="N", type=int, default=1,
                          help="connections for one large file (1)")  # fmt: skip
    download.add_argument("--no-verify", dest="verify", action="store_false", help="skip integrity checks")
    sync.add_argument("--verify", action="store_true", help="check all files on disk; repair damaged ones")
    sync.add_argument("--dry-run", action="store_true", help="only show what would be done")
    extract = add("extract", _extract, "Unpack archives into folders of frames (not needed to read).", json=True)
    extract.add_argument("archives", metavar="ARCHIVE", nargs="+", type=user_path, help="archives as downloaded")
    extract.add_argument("--folder", metavar="DIR", type=user_path, help="target folder (beside each archive)")
    extract.add_argument("--workers", type=int, metavar="N", help="days to unpack at the same time")
    extract.add_argument("--remove-archives", dest="keep_archives", action="store_false",
                         help="delete an archive once all its frames are on disk")  # fmt: skip


def _add_months(command: Parser) -> None:
    command.add_argument("product", metavar="PRODUCT", help="such as YW, RW or SF; `radar-nb info` lists all")
    command.add_argument(
        "first", metavar="FIRST", help="a month, YYYY-MM, a year, YYYY, or a day, YYYY-MM-DD (UTC)"
    )
    command.add_argument("last", metavar="LAST", nargs="?", help="last month, year or day of a range, included")
    command.add_argument("--source", default="auto", choices=("auto", "radklim", "radolan", "nrt"),
                         help="family of the product; auto takes the one that covers the range")  # fmt: skip
    command.add_argument("--base-url", metavar="URL", help="address of the server")
    command.add_argument("--folder", metavar="DIR", help="data folder")


def _months(options: argparse.Namespace) -> dict[str, Any]:
    names = ("product", "first", "last", "source", "folder", "base_url")
    return {name: getattr(options, name) for name in names}


def _plan(options: argparse.Namespace) -> int:
    plan = rn.plan(**_months(options), form=options.form, listing=options.listing)
    show(options, plan)
    return 1 if plan.missing else 0


def _download(options: argparse.Namespace) -> int:
    plan = rn.plan(**_months(options), form=options.form, listing=options.listing)
    if (line := resumption(plan)) and not options.overwrite:
        say(line, file=sys.stderr)
    report = rn.download(
        plan,
        concurrency=options.concurrency,
        overwrite=options.overwrite,
        refresh=options.refresh,
        verify=options.verify,
        connections_per_file=options.connections_per_file,
        bandwidth_limit=options.bandwidth_limit and options.bandwidth_limit * 1e6,
        errors="report",
    )
    return finish(options, report)


def _sync(options: argparse.Namespace) -> int:
    if options.dry_run:
        found = rn.sync_plan(**_months(options), verify=options.verify)
        show(options, found)
        return 1 if found.plan.missing else 0
    report = rn.sync(**_months(options), verify=options.verify, concurrency=options.concurrency, errors="report")
    return finish(options, report)


def _extract(options: argparse.Namespace) -> int:
    report = rn.extract(
        options.archives,
        folder=options.folder,
        workers=options.workers,
        keep_archives=options.keep_archives,
        errors="report",
    )
    return finish(options, report)
