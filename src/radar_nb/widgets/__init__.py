"""The notebook's instrument: month picker, download panel, explorer. Owner of ipywidgets and anywidget.

Start with `app` (all of it in one widget), then `month_picker`, `download_panel` and `explorer`. What widgets
do is done by the public calls of the other rooms; here is what is shown, and when. All texts are in one
place, in English and German. The room may know all others but `cli`.
"""

__all__ = ["app", "download_panel", "explorer", "month_picker", "wording"]
