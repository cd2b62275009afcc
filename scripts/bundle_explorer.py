"""Join the explorer's JavaScript modules into the one file that browsers load.

`src/radar_nb/widgets/explorer/js/*.js` are ES modules. anywidget and the exported page take one file, so this
script joins what `explorer.js` imports into `explorer.bundle.js`. Run it after each change of a module;
`tests/widgets/test_bundles.py` holds the bundle equal to its sources. It needs no Node.

The modules keep to a subset of the language, which the script checks: imports are one a line, by name and without
`as`; exports are declarations, or one `export default` in the entry; no two modules declare the same name; modules
do not import each other in a circle.
"""

from __future__ import annotations

import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "src/radar_nb/widgets/explorer"
BUNDLE, ENTRY = "explorer.bundle.js", "explorer.js"
_HEAD = "// Made by scripts/bundle_explorer.py from js/*.js: edit those, then run the script.\n"
_IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./([\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|const|let|function|class) (\w+))", re.MULTILINE)
_DEFAULT = re.compile(r"^export default .*;$", re.MULTILINE)
_DECLARED = re.compile(r"^(?:const|let|(?:async )?function|class) (\w+)", re.MULTILINE)


def main() -> int:
    """Write the bundle and return 0."""
    (FOLDER / BUNDLE).write_text(bundle(FOLDER / "js", ENTRY), encoding="utf-8", newline="\n")
    return 0


def bundle(folder: Path, entry: str) -> str:
    """Return a module and all that it imports as one module without imports.

    Raises
    ------
    ValueError
        A module uses more of the language than the script knows, or two declare the same name.
    """
    texts = modules(folder, entry)
    parts, homes = [_HEAD], dict[str, str]()
    for name in TopologicalSorter({name: imported(text) for name, text in texts.items()}).static_order():
        text = _EXPORT.sub("", _IMPORT.sub("", texts[name]))
        text = (text if name == entry else _DEFAULT.sub("", text)).strip("\n")
        if re.search(r"^import\b|^export (?!default)", text, re.MULTILINE):
            raise ValueError(f"{name} has an import or export that scripts/bundle_explorer.py does not know")
        for declared in _DECLARED.findall(text):
            if homes.setdefault(declared, name) != name:
                raise ValueError(f"{name} and {homes[declared]} both declare {declared}")
        parts.append(f"// ---- {name}\n{text}\n")
    return "\n".join(parts)


def modules(folder: Path, entry: str) -> dict[str, str]:
    """Return the text of a module and of all that it imports, by file name.

    Raises
    ------
    ValueError
        A module imports a name that its home does not export.
    """
    texts: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name not in texts:
            texts[name] = (folder / name).read_text(encoding="utf-8")
            waiting += imported(texts[name])
    for name, text in texts.items():
        for names, home in _IMPORT.findall(text):
            if strange := set(names.split(", ")) - set(_EXPORT.findall(texts[home])):
                raise ValueError(f"{name} imports {', '.join(sorted(strange))}, which {home} does not export")
    return texts


def imported(text: str) -> list[str]:
    """Return the modules that a module imports, sorted."""
    return sorted(home for _, home in _IMPORT.findall(text))


if __name__ == "__main__":
    sys.exit(main())
