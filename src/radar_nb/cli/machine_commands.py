"""The commands about this machine: doctor, config, versions, completion, a mirror, a demonstration."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import radar_nb as rn
from radar_nb.cli.configuration import configuration
from radar_nb.cli.data_commands import facts_of, save_picture, words_of
from radar_nb.cli.doctor import compare_server, diagnosis_table, examine
from radar_nb.cli.terminal import say, show
from radar_nb.dwd.catalogue import FORMS
from radar_nb.dwd.layout import changes_table
from radar_nb.mirror import Clock, LiveMirror, Mirror, make_archives, make_present
from radar_nb.mirror.faults.rules import load_faults
from radar_nb.runtime.files import user_path
from radar_nb.runtime.settings import settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from radar_nb.cli.terminal import Parser


def add_machine_commands(add: Callable[..., Parser], make_parser: Callable[[], Parser]) -> None:
    """Add the commands to the parser, which `make_parser` makes."""
    mirror = add("mirror", _mirror, "Serve a folder on this machine as DWD's server does, real or synthetic data.")
    mirror.add_argument("--root", metavar="DIR", required=True, type=user_path, help="folder to serve")
    mirror.add_argument("--port", type=int, default=8930, help="port on 127.0.0.1 (8930)")
    mirror.add_argument("--public", metavar="ADDRESS", nargs="?", const="0.0.0.0",  # noqa: S104 - only if asked for
                        help="serve other machines, on one address or all: they can read every file")  # fmt: skip
    mirror.add_argument("--faults", metavar="FILE", type=user_path, help="misbehave by the rules of a TOML file")
    mirror.add_argument("--synthetic", metavar=("PRODUCT", "MONTH"), nargs=2,
                        help="first fill the folder with synthetic archives, such as YW 2020-06")  # fmt: skip
    mirror.add_argument("--present", metavar="HOURS", type=float,
                        help="first fill weather/radar with synthetic composites of the last hours, under "
                        "DWD's names, with their aliases; an hour of all takes half a minute")  # fmt: skip
    mirror.add_argument("--live", action="store_true",
                        help="go on publishing synthetic composites on DWD's schedule, after those of the last "
                        "--present hours (1)")  # fmt: skip
    mirror.add_argument("--speed", metavar="FACTOR", type=float, default=1.0,
                        help="with --live: simulated seconds in a second (1)")  # fmt: skip
    for name, what in (("late", "come 6 to 20 minutes late"), ("missing", "never come")):
        mirror.add_argument(f"--{name}", metavar="SHARE", type=float, default=0.0,
                            help=f"with --live: share of the files that {what} (0)")  # fmt: skip
    mirror.add_argument("--products", metavar="PRODUCT", nargs="+",
                        help="with --present and --live: only these, such as RV HX")  # fmt: skip
    mirror.add_argument("--days", type=int, metavar="N", help="with --synthetic: only the first N days")
    mirror.add_argument("--hdf5", action="store_true", help="with --synthetic: in HDF5, as DWD since 2025-11")
    mirror.add_argument("--form", choices=FORMS, help="with --synthetic: in this form (binary)")
    mirror.add_argument("--seed", type=int, default=0, help="another seed, other weather (0)")
    demo = add("demo", _demo, "Run all steps in half a minute, with synthetic rain and without a network.")
    demo.add_argument("--folder", metavar="DIR", default=Path("demo"), type=user_path, help="target folder (demo)")
    doctor = add("doctor", _doctor, "Diagnose the installation and suggest fixes.", json=True)
    doctor.add_argument("--server", action="store_true",
                        help="instead compare the server's folders and names with those radar_nb plans by; exit "
                        "with 4 if they have changed")  # fmt: skip
    config = add("config", _config, "Show the settings in force and where each comes from.", json=True)
    config.add_argument(
        "action", choices=("show",), metavar="show", help="the only action (there is no settings file)"
    )
    config.add_argument("--origin", action="store_true", help="show whether option, environment or default")
    for command in (doctor, config):
        command.add_argument("--base-url", metavar="URL", help="address of the server")
        command.add_argument("--folder", metavar="DIR", help="data folder")
    add("versions", _versions, "Show installed versions, for a bug report.", json=True)
    completion = add(
        "completion", partial(_completion, make_parser), "Print a script that lets a shell complete commands."
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh", "fish", "powershell"), help="the shell")


_CHANGED = 4
"""Exit code of `doctor --server` where the server differs from the snapshot."""


def _doctor(options: argparse.Namespace) -> int:
    if options.server:
        changes = compare_server(base_url=options.base_url)
        show(options, changes_table(changes, settings(base_url=options.base_url).base_url))
        return _CHANGED if changes else 0
    results = examine(folder=options.folder, base_url=options.base_url)
    show(options, diagnosis_table(results))
    return 1 if any(result.state == "trouble" for result in results) else 0


def _config(options: argparse.Namespace) -> int:
    show(options, configuration(folder=options.folder, base_url=options.base_url, origin=options.origin))
    return 0


def _versions(options: argparse.Namespace) -> int:
    show(options, rn.show_versions())
    return 0


def _completion(make_parser: Callable[[], Parser], options: argparse.Namespace) -> int:
    from radar_nb.cli.completion import completion_script  # noqa: PLC0415 - shtab and towns are needed here alone

    print(completion_script(make_parser(), options.shell))
    return 0


def _mirror(options: argparse.Namespace) -> int:
    if options.synthetic:
        product, text = options.synthetic
        say(f"making synthetic {product} of {text} in {options.root}; a month of 5-minute fields takes minutes")
        days = None if options.days is None else range(1, options.days + 1)
        make_archives(
            options.root, product, text, hdf5=options.hdf5, form=options.form, seed=options.seed, days=days
        )
    if options.present is not None and not options.live:
        make_present(options.root, options.products, hours=options.present, seed=options.seed)
    faults = load_faults(options.faults) if options.faults else None
    host = options.public or "127.0.0.1"
    serving = {"host": host, "port": options.port, "faults": faults, "public": bool(options.public)}
    with _live(options, serving) if options.live else Mirror(options.root, **serving) as mirror:
        if faults:
            say(faults.table())
        if options.public:
            say(
                f"public: anyone who reaches {host} can read every file below {options.root} (no password, no "
                "encryption)"
            )
        first = "nowcast --at Leipzig" if options.live else "plan YW 2020-06 --folder data"
        say(f"serving {options.root} as {mirror.url} (Ctrl-C ends)\ntry: radar-nb {first} --base-url {mirror.url}")
        mirror.serve_forever()
    return 0


def _live(options: argparse.Namespace, serving: dict[str, Any]) -> LiveMirror:
    options.root.mkdir(parents=True, exist_ok=True)
    return LiveMirror(
        options.root,
        options.products or ("RV", "RY", "HYMECNG"),
        clock=Clock(speed=options.speed),
        hours=1.0 if options.present is None else options.present,
        late=options.late,
        missing=options.missing,
        seed=options.seed,
        **serving,
    )


def _demo(options: argparse.Namespace) -> int:
    """Run every step against the embedded mirror."""
    root, data = options.folder / "mirror", options.folder / "data"
    say("1. Synthetic rain: two days of YW with DWD's names, nesting and bytes")
    make_archives(root, "YW", "2020-06", days=(13, 14))
    with Mirror(root) as mirror:
        say(f"2. A copy of DWD's server on this machine, {mirror.url}; the plan:")
        plan = rn.plan("YW", "2020-06", folder=data, base_url=mirror.url, listing=True)
        say(f"{plan}\n3. Download:")
        downloaded = rn.download(plan)
        say(downloaded)
    say("4. Extraction (optional: archives are read as they are):")
    say(rn.extract(downloaded))
    say("5. Opened straight from the archive, lazily:")
    ds = rn.open_dataset(downloaded)
    hourly = ds.YW.isel(time=slice(None, None, 12))
    wettest = hourly.isel(time=int(hourly.sum(("y", "x")).argmax("time")))
    say("\n".join(f"   {name}: {fact}" for name, fact in words_of(facts_of(ds)).items()))
    say("6. Pictures:")
    save_picture(rn.plot(wettest), options.folder / "field.png", dpi=150)
    return 0
