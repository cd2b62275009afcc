"""Notebook widgets: month picker, download panel, explorer. Owner of ipywidgets and anywidget.

Start with `app` (all of them in one widget), then `month_picker`, `download_panel` and `explorer`. Widgets call
the public functions of the other rooms; this room decides what is displayed and when. Texts are in `locales`, one
file per language, and are read by `wording`. The room may import all others except `cli`.
"""

__all__ = ["app", "download_panel", "explorer", "month_picker", "wording"]
