"""A second face of the widgets, for marimo: it shows anywidgets, but none of ipywidgets' boxes, menus and buttons.

The face describes the same controls to the browser and returns what is done there to them: state and logic stay in
the widgets. Jupyter does not use it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

_HERE = Path(__file__).parent
_LOOKED_AT = ("children", "value", "options", "index", "description", "disabled", "button_style", "_dom_classes")
"""Traits of controls that the page shows."""
_STYLES = ("display", "order", "align_items", "margin", "max_width")
"""Properties of a layout that the page takes over; sizes are its own."""


class Face(anywidget.AnyWidget):
    """The controls of a widget, drawn by one anywidget.

    Parameters
    ----------
    widget : ipywidgets.Box
        Of boxes, texts, menus, buttons and anywidgets.
    """

    _esm = (_HERE / "face.js").read_text(encoding="utf-8")
    _css = (_HERE / "face.css").read_text(encoding="utf-8")

    tree = traitlets.Dict().tag(sync=True)

    def __init__(self, widget: ipywidgets.Box) -> None:
        self._shown = widget
        self._parts: dict[str, Any] = {}
        super().__init__(tree=self._described(widget))
        self.on_msg(self._receive)

    def _described(self, widget: Any) -> dict[str, Any]:
        """Return what the browser needs to show a widget and those in it; follow their changes from now on."""
        name = str(widget.model_id)
        if name not in self._parts:
            self._parts[name] = widget
            widget.observe(self._renew, [trait for trait in _LOOKED_AT if widget.has_trait(trait)])
            widget.layout.observe(self._renew)
        values = {style: getattr(widget.layout, style) for style in _STYLES}
        style = {style.replace("_", "-"): value or "" for style, value in values.items()}
        about = {"id": name, "style": style, "classes": list(widget._dom_classes)}  # noqa: SLF001 - no public name
        if isinstance(widget, anywidget.AnyWidget):
            return about | {"kind": "anywidget", "ref": f"anywidget:{name}"}
        if isinstance(widget, ipywidgets.Box):
            kind = "HBox" if isinstance(widget, ipywidgets.HBox) else "VBox"
            return about | {"kind": kind, "children": [self._described(child) for child in widget.children]}
        if isinstance(widget, ipywidgets.Dropdown):
            labels = [label for label, _ in widget.options]
            text = {"text": widget.description, "options": labels, "index": widget.index}
            return about | {"kind": "Dropdown"} | text
        if isinstance(widget, ipywidgets.Button):
            look = {
                "title": widget.tooltip or "",
                "disabled": widget.disabled,
                "primary": widget.button_style != "",
            }
            return about | {"kind": "Button", "text": widget.description} | look
        return about | {"kind": "HTML", "value": widget.value}

    def _renew(self, _: Any) -> None:
        self.tree = self._described(self._shown)

    def _receive(self, _: Any, said: dict[str, Any], __: Any) -> None:
        """Do with a control what the browser reports."""
        widget = self._parts.get(str(said.get("id")))
        if isinstance(widget, ipywidgets.Button) and not widget.disabled:
            widget.click()
        elif isinstance(widget, ipywidgets.Dropdown) and said.get("index") in range(len(widget.options)):
            widget.index = said["index"]


class InMarimo:
    """A widget that marimo displays by its face."""

    _face: Face | None = None

    def _display_(self) -> Face:
        """Return what marimo displays."""
        if self._face is None:
            self._face = Face(self)
        return self._face
