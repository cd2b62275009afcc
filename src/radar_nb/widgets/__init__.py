"""Notebook widgets: month picker, download panel, explorer. Owner of ipywidgets and anywidget.

Start with `app` (all of them in one widget), then `month_picker`, `download_panel` and `explorer`; `live` is the
explorer that follows the server, and `present` what it shows, also as a page. `choices` is the logic of the picker
and `month_calendar` its calendar, `transfer_progress` computes what a panel shows, `snippets` writes the code that
repeats it, `face` shows the widgets in marimo. Widgets call the public functions of other rooms; this room decides
what is displayed and when. `wording` makes lines of HTML, and `stills` pictures for saved notebooks. The room
may import all others except `cli`.
"""

__all__ = ["app", "download_panel", "explorer", "live", "month_picker", "present", "wording"]
