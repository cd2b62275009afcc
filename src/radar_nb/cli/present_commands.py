"""The commands about now: latest, nowcast, follow."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import radar_nb as rn
from radar_nb.cli.data_commands import add_language, save_picture
from radar_nb.cli.terminal import say, waiting
from radar_nb.errors import DownloadError
from radar_nb.fetch.following import Follower
from radar_nb.runtime.clock import Clock
from radar_nb.runtime.event_loop import run
from radar_nb.runtime.files import user_path
from radar_nb.runtime.numerals import parse_number
from radar_nb.runtime.wording import human_bytes, human_duration, human_time, printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Coroutine

    from radar_nb.cli.terminal import Parser

UNKNOWN = 20
"""Exit code where nothing is known: no forecast, or one that is too old, or no radar that sees the place."""

_CODES = {"dry": 0, "rain": 10, "unknown": UNKNOWN}


def add_present_commands(add: Callable[..., Parser]) -> None:
    """Add the commands to the parser."""
    latest = add(
        "latest",
        _latest,
        f"Fetch the newest field of a product and draw it; exit with {UNKNOWN} if it is stale.",
        json=True,
    )
    latest.add_argument("product", metavar="PRODUCT", help="such as RV, RY, RW, HX, HYMECNG")
    latest.add_argument("--output", metavar="FILE", type=user_path, help="picture file to draw")
    latest.add_argument("--lead", metavar="LENGTH", default="0min", help="of forecasts, how far ahead (0min)")
    latest.add_argument("--dpi", type=int, default=150, help="dots per inch (150)")
    add_language(latest)
    nowcast = add(
        "nowcast",
        _nowcast,
        "Say whether it rains at places within two hours. Exit codes: 0 dry, 10 rain, 20 unknown.",
        json=True,
    )
    nowcast.add_argument("--at", metavar="PLACE", dest="places", action="append", required=True, type=_place,
                         help="a town, or degrees such as 12.37,51.34 (LON,LAT); may be repeated")  # fmt: skip
    nowcast.add_argument("--horizon", metavar="LENGTH", default="2h", help="how far to look (2h)")
    live = add(
        "live", _live, f"Write the last hours and the next two as a page; exit with {UNKNOWN} if it is stale."
    )
    live.add_argument("--output", metavar="FILE", required=True, type=user_path, help="HTML file to write")
    live.add_argument("--at", metavar="PLACE", dest="places", action="append", type=_place,
                      help="a town, or LON,LAT; may be repeated")  # fmt: skip
    live.add_argument("--past", metavar="LENGTH", default="2h", help="how far back (2h)")
    add_language(live)
    for command in (nowcast, live):
        command.add_argument("--threshold", metavar="RATE", type=float, default=0.12,
                             help="mm/h from which it rains (0.12)")  # fmt: skip
        command.add_argument("--timezone", metavar="ZONE", default="Europe/Berlin",
                             help="in which times are shown (Europe/Berlin)")  # fmt: skip
    follow = add("follow", _follow, "Fetch each new file of a product as it comes, until stopped.")
    follow.add_argument("product", metavar="PRODUCT", help="such as RV, RY, RW, HX, HYMECNG")
    follow.add_argument("--keep", metavar="LENGTH", default="48h",
                        help="remove files of the product that are older, such as 7d (48h)")  # fmt: skip
    follow.add_argument("--backfill", metavar="LENGTH", help="begin this far back (the newest file)")
    follow.add_argument("--speed", metavar="FACTOR", type=float, default=1.0,
                        help="for a mirror that runs faster: radar-nb mirror --live --speed (1)")  # fmt: skip
    follow.add_argument("--folder", metavar="DIR", type=user_path, help="where to keep files (a cache)")
    follow.add_argument("--base-url", metavar="URL", help="address of the server")
    for command in (latest, nowcast, live):
        command.add_argument("--folder", metavar="DIR", type=user_path,
                             help="keep files there (a cache of three hours)")  # fmt: skip
        command.add_argument("--base-url", metavar="URL", help="address of the server")


def _place(text: str) -> tuple[str, tuple[float, float] | None]:
    """Parse LON,LAT; other texts are names of towns."""
    if "," not in text:
        return text, None
    try:
        lon, lat = (parse_number(part) for part in text.split(","))
    except ValueError:
        return text, None
    return text, (lon, lat)


def _where(options: argparse.Namespace) -> dict[str, Any]:
    return {"folder": options.folder, "base_url": options.base_url}


def _latest(options: argparse.Namespace) -> int:
    with waiting("latest"):
        ds = rn.latest(options.product, **_where(options))
    name = str(next(iter(ds.data_vars)))
    facts = {key: ds.attrs[key] for key in ("nominal_time", "age_seconds", "stale", "skipped") if key in ds.attrs}
    if options.json:
        say(json.dumps({"product": name, "file": str(ds["source"].values.flat[0])} | facts, indent=1))
    else:
        stale = ", stale: a newer one should be there" if facts["stale"] else ""
        moment = human_time(facts["nominal_time"].removesuffix("Z"))
        say(f"{name} of {moment}, {human_duration(abs(facts['age_seconds']))} old{stale}")
    if options.output is not None:
        field = rn.forecast(ds, lead=options.lead)[name] if "lead_time" in ds.dims else ds[name]
        save_picture(rn.plot(field.isel(time=-1)), options.output, dpi=options.dpi, quiet=options.json)
    return UNKNOWN if facts["stale"] else 0


def _live(options: argparse.Namespace) -> int:
    from radar_nb.widgets.present import write_now_page  # noqa: PLC0415 - widgets are needed for the page alone

    with waiting("live"):
        newest = write_now_page(
            options.output,
            dict(options.places) if options.places else None,
            past=options.past,
            threshold=options.threshold,
            timezone=options.timezone,
            lang=options.lang,
            **_where(options),
        )
    stale = ", stale: a newer one should be there" if newest.stale else ""
    moment, age = human_time(newest.time.replace(tzinfo=None)), human_duration(abs(newest.age.total_seconds()))
    say(f"{options.output}: RV of {moment}, {age} old{stale}")
    return UNKNOWN if newest.stale else 0


def _follow(options: argparse.Namespace) -> int:
    follower = Follower(
        options.product,
        keep=options.keep,
        backfill=options.backfill,
        clock=Clock(speed=options.speed),
        on_trouble=_say_trouble,
        **_where(options),
    )
    say(f"following {follower.product} into {follower.folder}, keeping {options.keep} (Ctrl-C or SIGTERM ends)")
    run(_until_stopped(_log_files(follower)))
    say("stopped")
    return 0


async def _log_files(follower: Follower) -> None:
    """Print a line for each file."""
    async for one in follower:
        late = human_duration((one.now - one.time).total_seconds())
        size = human_bytes(one.path.stat().st_size)
        say(f"{one.now:%Y-%m-%d %H:%M:%S} UTC  {one.path.name}  {size}, {late} after its time")


def _say_trouble(text: str) -> None:
    """Print on standard error that the server fails."""
    say(f"{text}; radar-nb follow tries again", file=sys.stderr)


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run until it ends, or until SIGTERM cancels it: part files and locks are removed then."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    before = signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(task.cancel))
    try:
        await asyncio.wait({task})
    finally:
        signal.signal(signal.SIGTERM, before)
        task.cancel()
    if not task.cancelled():
        task.result()


def _nowcast(options: argparse.Namespace) -> int:
    try:
        with waiting("nowcast"):
            found = rn.nowcast(
                dict(options.places),
                options.horizon,
                threshold=options.threshold,
                timezone=options.timezone,
                **_where(options),
            )
    except DownloadError as error:
        reason = options.parser.in_options(str(error))
        if options.json:
            say(json.dumps({"status": "unknown", "reason": reason, "places": []}, indent=1))
        else:
            say(f"unknown whether it rains: {reason}")
        return UNKNOWN
    if options.json:
        say(json.dumps(found.to_dict(), indent=1))
    else:
        for answer in found.answers:
            say(printable(answer.sentence(options.timezone)))
    return _CODES[found.status]
