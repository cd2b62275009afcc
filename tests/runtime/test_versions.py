"""Laws of the table of versions."""

from __future__ import annotations

import sys

import numpy as np

import radar_nb as rn
from radar_nb.runtime.versions import version_of


def test_what_is_installed_is_named_with_its_version() -> None:
    """A report of a fault can be understood by those who have another machine."""
    told = {row["package"]: row["version"] for row in rn.show_versions()}

    assert told["radar-nb"] == rn.__version__
    assert told["python"] == sys.version.split()[0]
    assert told["numpy"] == np.__version__


def test_what_is_not_installed_has_no_version() -> None:
    """An absent package is told as such, and is no error."""
    assert version_of("a-package-that-nobody-wrote") is None
