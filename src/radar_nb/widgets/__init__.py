"""The widgets of the notebook: month picker, download panel, explorer. Owner of ipywidgets and anywidget.

Start with `app` (all of them in one widget), then `month_picker`, `download_panel` and `explorer`. Widgets call
the public functions of the other rooms; this room decides what is displayed and when. Texts are in `locales`, one
file a language, and are read by `wording`. The room may know all others but `cli`.
"""

__all__ = ["app", "download_panel", "explorer", "month_picker", "wording"]
