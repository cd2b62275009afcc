"""All steps in one widget: choose months, download them, explore the rain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from radar_nb.runtime.language import load_texts
from radar_nb.widgets.download_panel import DownloadPanel
from radar_nb.widgets.explorer.widget import Explorer
from radar_nb.widgets.face import InMarimo
from radar_nb.widgets.month_picker import MonthPicker
from radar_nb.widgets.stills import InSavedNotebooks
from radar_nb.widgets.wording import heading, line

if TYPE_CHECKING:
    import os

    from radar_nb.dwd.products import Product
    from radar_nb.fetch.planning import Source
    from radar_nb.widgets.face import Face


class App(InSavedNotebooks, InMarimo, ipywidgets.VBox):  # type: ignore[misc] # ipywidgets ships no types
    """Choose months, download them and explore the rain: `MonthPicker`, `DownloadPanel` and `Explorer` together.

    Parameters
    ----------
    product, first, last, source, folder, base_url
        As for `MonthPicker`.
    concurrency : int, optional
        Number of parallel connections, as for `download`.
    lang : {"en", "de"}, optional
        By default the environment variable `RADAR_NB_LANG`, then `LANG`.

    Attributes
    ----------
    picker : MonthPicker
    panel : DownloadPanel
    explorer : Explorer or None
        Shows what the panel opened last.

    Examples
    --------
    >>> app = App("YW", "2020-06", folder="data")
    >>> app.picker.value, app.panel.state
    ((Month(2020, 6),), 'idle')
    """

    def __init__(
        self,
        product: str | Product = "YW",
        first: Any = None,
        last: Any = None,
        *,
        source: Source = "auto",
        folder: str | os.PathLike[str] | None = None,
        base_url: str | None = None,
        concurrency: int | None = None,
        lang: str | None = None,
    ) -> None:
        self._say = say = load_texts(lang)
        self.picker = MonthPicker(
            product, first, last, source=source, folder=folder, base_url=base_url, lang=say.language
        )
        self.panel = DownloadPanel(self.picker, concurrency=concurrency, lang=say.language)
        self.explorer: Explorer | None = None
        self._spare: Explorer | None = None
        self._change = ipywidgets.Button(description=say("app.change"), icon="calendar", layout={"width": "auto"})
        self._change.on_click(lambda _: self._fold(folded=False))
        self._chosen = ipywidgets.HTML()
        self._stage = ipywidgets.VBox([ipywidgets.HTML(line(say("app.later"), "quiet"))])
        months = ipywidgets.HBox([self._chosen, self._change], layout={"align_items": "baseline"})
        download, explore = (ipywidgets.HTML(heading(say(f"app.{step}"))) for step in ("download", "explore"))
        super().__init__([months, self.picker, download, self.panel, explore, self._stage])
        self.add_class("radar-nb-app")
        self._fold(folded=False)
        self.panel.observe(self._explore, "dataset")

    def __repr__(self) -> str:
        # shown in a notebook that was not run yet
        return f"App: {self.picker.product}, {self.picker.chosen} (run the cell to use it)"

    def _display_(self) -> Face:
        """Return what marimo displays; it starts widgets only while a cell runs, such as the explorer to come."""
        self._spare = self._spare or Explorer.waiting(self._say.language)
        return super()._display_()

    def _fold(self, *, folded: bool) -> None:
        """Show the picker, or one line instead of it."""
        chosen = f": {self.picker.product}, {self.picker.chosen}" if folded else ""
        self._chosen.value = heading(self._say("app.months") + chosen)
        self._change.layout.display = None if folded else "none"
        self.picker.layout.display = "none" if folded else None

    def _explore(self, _: Any) -> None:
        if self._spare is not None:
            self.explorer = self._spare
            self.explorer.renew(self.panel.source)
        else:
            if self.explorer is not None:
                self.explorer.close()
            self.explorer = Explorer(self.panel.source, lang=self._say.language)
        self._stage.children = [self.explorer]
        self._fold(folded=True)
