"""Table of versions."""

from __future__ import annotations

import sys

import numpy as np

import radar_nb as rn
from radar_nb.runtime.versions import version_of


def test_installed_packages_have_their_version() -> None:
    """The table has the versions of radar_nb, Python and the installed packages."""
    versions = {row["package"]: row["version"] for row in rn.show_versions()}

    assert versions["radar-nb"] == rn.__version__
    assert versions["python"] == sys.version.split()[0]
    assert versions["numpy"] == np.__version__


def test_an_absent_package_has_no_version() -> None:
    """An absent package is reported as such, without an error."""
    assert version_of("a-package-that-does-not-exist") is None
