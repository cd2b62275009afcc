"""The second face of the widgets, which marimo shows, without a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.controls import NO_SERVER

from radar_nb.widgets.app import App
from radar_nb.widgets.month_picker import MonthPicker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from radar_nb.widgets.face import Face


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a described control and all in it."""
    yield node
    for child in node.get("children", ()):
        yield from nodes(child)


def named(face: Face, text: str) -> dict[str, Any]:
    """Return the only control with a label."""
    (found,) = (node for node in nodes(face.tree) if node.get("text") == text)
    return found


def test_the_face_shows_the_controls_and_follows_them() -> None:
    """Menus, texts and the calendar are described; what code changes, the face shows."""
    picker = MonthPicker("YW", "2020-06", base_url=NO_SERVER, lang="en")

    face = picker._display_()

    kinds = [node["kind"] for node in nodes(face.tree)]
    assert kinds.count("anywidget") == 1
    assert kinds.count("Dropdown") == 2
    assert named(face, "Product")["options"][named(face, "Product")["index"]].startswith("YW: rain in 5 minutes")
    assert named(face, "Try again")["style"]["display"] == "none"
    assert picker._display_() is face
    picker.value = ["2019-01", "2019-02"]
    assert any("2 months of RADKLIM" in node.get("value", "").replace("\xa0", " ") for node in nodes(face.tree))


def test_what_is_done_on_the_page_is_done_to_the_controls() -> None:
    """A choice in a menu and a click reach the widget; a disabled button and an unknown choice do nothing."""
    app = App("YW", "2020-06", base_url=NO_SERVER, lang="en")
    face = app._display_()
    app._fold(folded=True)  # noqa: SLF001 - as Open does

    for text, said in (("Series", {"index": 2}), ("Series", {"index": 9}), ("Open", {"click": True})):
        face._receive(face, {"id": named(face, text)["id"]} | said, [])  # noqa: SLF001 - as a page sends
    face._receive(face, {"id": named(face, "Change months")["id"], "click": True}, [])  # noqa: SLF001 - the same

    assert app.picker.source == "radolan"
    assert app.panel.state == "idle"
    assert named(face, "Change months")["style"]["display"] == "none"
