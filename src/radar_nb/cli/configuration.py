"""The settings in force and where each came from; the environment variables that count, in one table."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from radar_nb.runtime.settings import BASE_URL, CONCURRENCY, cache_folder, settings
from radar_nb.runtime.table import Table
from radar_nb.widgets.wording import load_texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """An environment variable.

    Attributes
    ----------
    name : str
    argument : str
        Which goes before it; empty where there is none.
    default : str
        In words.
    meaning : str
    """

    name: str
    argument: str = ""
    default: str
    meaning: str


VARIABLES = (
    Variable(
        name="RADAR_NB_DATA",
        argument="folder",
        default="a folder of your account (platformdirs)",
        meaning="the data folder, with DWD's tree below it",
    ),
    Variable(name="RADAR_NB_BASE_URL", argument="base_url", default=BASE_URL, meaning="the server"),
    Variable(
        name="RADAR_NB_CONCURRENCY",
        argument="concurrency",
        default=str(CONCURRENCY),
        meaning="connections at a time",
    ),
    Variable(
        name="RADAR_NB_CACHE",
        default="a folder of your account (platformdirs)",
        meaning="what can be done without: indexes of archives in folders that may not be written, speeds",
    ),
    Variable(
        name="RADAR_NB_LANG",
        argument="lang",
        default="that of LANG if it is German, else English",
        meaning="the language of widgets, en or de",
    ),
    Variable(
        name="HTTPS_PROXY",
        default="none",
        meaning="the proxy for https; HTTP_PROXY for http, NO_PROXY for neither",
    ),
    Variable(name="SSL_CERT_FILE", default="the system's", meaning="the certificates that are trusted"),
)
"""All that count, ours first."""


def configuration(
    *, folder: str | os.PathLike[str] | None = None, base_url: str | None = None, origin: bool = False
) -> Table:
    """Give the settings in force.

    Parameters
    ----------
    folder, base_url
        As in `settings`: arguments that go before the environment.
    origin : bool
        Whether to tell where each came from: an argument, a variable of the environment, or the default.

    Raises
    ------
    SettingsError
        A setting makes no sense.

    Examples
    --------
    >>> table = configuration(base_url="http://127.0.0.1:8930", origin=True)
    >>> [(row["value"], row["origin"]) for row in table if row["setting"] == "server"]
    [('http://127.0.0.1:8930', 'argument base_url')]
    """
    used = settings(folder=folder, base_url=base_url)
    given = {"folder": folder, "base_url": base_url}
    values = {
        "RADAR_NB_DATA": ("data folder", str(used.folder)),
        "RADAR_NB_BASE_URL": ("server", without_password(used.base_url)),
        "RADAR_NB_CONCURRENCY": ("connections", str(used.concurrency)),
        "RADAR_NB_CACHE": ("cache folder", str(cache_folder())),
        "RADAR_NB_LANG": ("language", load_texts().language),
        "HTTPS_PROXY": ("proxy", _environment("HTTPS_PROXY") or "none"),
        "SSL_CERT_FILE": ("certificates", _environment("SSL_CERT_FILE") or "the system's"),
    }
    rows = [
        (*values[variable.name], _origin(variable, given.get(variable.argument)))[: 3 if origin else 2]
        for variable in VARIABLES
    ]
    return Table(
        title="Settings in force",
        columns=("setting", "value", "origin")[: 3 if origin else 2],
        rows=tuple(rows),
        notes=("an argument goes before the environment, that before the default; there is no file of settings",),
    )


def variables_table() -> Table:
    """Give the environment variables that count, with the arguments that go before them, defaults and meanings."""
    rows = tuple((one.name, one.argument, one.default, one.meaning) for one in VARIABLES)
    return Table(
        title="Environment variables", columns=("environment", "argument", "default", "what it is"), rows=rows
    )


def without_password(address: str) -> str:
    """Give an address without the name and password that it may carry.

    Examples
    --------
    >>> without_password("http://anna:secret@proxy:3128")
    'http://***@proxy:3128'
    """
    return re.sub(r"(?<=://)[^/@]*@", "***@", address)


def _origin(variable: Variable, given: Any) -> str:
    if given:
        return f"argument {variable.argument}"
    if _environment(variable.name):
        return f"environment {variable.name}"
    return "default"


def _environment(name: str) -> str:
    """Give a variable, in capitals or, as proxies are often written, in small letters."""
    value = os.environ.get(name) or ("" if name.startswith("RADAR") else os.environ.get(name.lower(), ""))
    return without_password(value)
