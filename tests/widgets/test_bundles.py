"""The explorer's bundle: it equals its modules, and the script refuses modules that it cannot join."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/bundle_explorer.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec: Any = importlib.util.spec_from_file_location("bundle_explorer", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_bundle_equals_its_sources(script: Any) -> None:
    """The committed bundle equals what scripts/bundle_explorer.py makes of the modules."""
    made = script.bundle(script.FOLDER / "js", script.ENTRY)

    assert (script.FOLDER / script.BUNDLE).read_text(encoding="utf-8") == made
    assert "</script" not in made


def test_the_bundle_has_each_module(script: Any) -> None:
    """The bundle contains every module: one that is never imported is dead."""
    used = set(script.modules(script.FOLDER / "js", script.ENTRY))

    assert used == {path.name for path in (script.FOLDER / "js").iterdir()}


@pytest.mark.parametrize(
    ("modules", "match"),
    [
        ({"a.js": 'import { b } from "./b.js";\n', "b.js": "const b = 1;\n"}, "b.js does not export"),
        (
            {"a.js": 'import { b } from "./b.js";\nconst c = 1;\n', "b.js": "const c = 1;\nexport const b = c;\n"},
            "both declare c",
        ),
        ({"a.js": 'import * as b from "./b.js";\n'}, "does not know"),
        ({"a.js": "const a = 1;\nexport { a };\n"}, "does not know"),
        (
            {
                "a.js": 'import { b } from "./b.js";\nexport const a = b;\n',
                "b.js": 'import { a } from "./a.js";\nexport const b = a;\n',
            },
            "cycle",
        ),
    ],
)
def test_modules_that_cannot_be_joined_are_refused(
    script: Any, tmp_path: Path, modules: dict[str, str], match: str
) -> None:
    """The script checks each rule of the subset."""
    for name, text in modules.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=match):
        script.bundle(tmp_path, "a.js")
