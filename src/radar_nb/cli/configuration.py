"""The settings in force and where each comes from; the environment variables that radar_nb reads."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from radar_nb.runtime.language import load_texts
from radar_nb.runtime.settings import BASE_URL, CONCURRENCY, cache_folder, settings
from radar_nb.runtime.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """An environment variable.

    Attributes
    ----------
    name : str
    argument : str
        The argument, or option, that overrides it; empty if there is none.
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
        meaning="data folder, with DWD's folders below it",
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
        meaning="cache: indexes of archives in read-only folders, measured speeds",
    ),
    Variable(
        name="RADAR_NB_LANG",
        argument="lang",
        default="German if LANG is German, else English",
        meaning="the language of widgets, en or de; if set, also of pictures, which are else English",
    ),
    Variable(
        name="HTTPS_PROXY",
        default="none",
        meaning="the proxy for https; HTTP_PROXY for http, NO_PROXY for neither",
    ),
    Variable(name="SSL_CERT_FILE", default="the system's", meaning="the certificates that are trusted"),
)
"""All that radar_nb reads, its own first."""


def configuration(
    *, folder: str | os.PathLike[str] | None = None, base_url: str | None = None, origin: bool = False
) -> Table:
    """Return the settings in force.

    Parameters
    ----------
    folder, base_url
        As in `settings`: they override the environment.
    origin : bool
        Whether to add where each comes from: an option, an environment variable, or the default.

    Raises
    ------
    SettingsError
        An invalid setting.

    Examples
    --------
    >>> table = configuration(base_url="http://127.0.0.1:8930", origin=True)
    >>> [(row["value"], row["origin"]) for row in table if row["setting"] == "server"]
    [('http://127.0.0.1:8930', 'option --base-url')]
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
        notes=("an option overrides the environment, which overrides the default; there is no settings file",),
    )


def without_password(address: str) -> str:
    """Return an address without its user name and password.

    Examples
    --------
    >>> without_password("http://anna:secret@proxy:3128")
    'http://***@proxy:3128'
    """
    return re.sub(r"(?<=://)[^/@]*@", "***@", address)


def _origin(variable: Variable, given: Any) -> str:
    if given:
        return f"option --{variable.argument.replace('_', '-')}"
    if _environment(variable.name):
        return f"environment {variable.name}"
    return "default"


def _environment(name: str) -> str:
    """Return a variable, in capitals or, as proxies often are, in small letters."""
    value = os.environ.get(name) or ("" if name.startswith("RADAR") else os.environ.get(name.lower(), ""))
    return without_password(value)
