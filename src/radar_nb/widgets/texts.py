"""What the widgets say, in English and in German: one table, so that no text can be forgotten in either."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

from radar_nb.errors import SettingsError
from radar_nb.runtime.wording import human_bytes, human_duration

Language = Literal["en", "de"]


@dataclass(frozen=True, slots=True)
class Speech:
    """A language, and what is said in it.

    Examples
    --------
    >>> say = Speech("de")
    >>> say("panel.pause"), say.count("month", 3), say.size(1_500_000), say.time(180)
    ('Pause', '3 Monate', '1,5 MB', '3 min')
    """

    language: Language

    def __call__(self, key: str, **values: Any) -> str:
        """Give a text, with values in its fields."""
        text = TEXTS[key][0 if self.language == "en" else 1]
        return text.format(**values) if values else text

    def count(self, noun: str, number: int) -> str:
        """Give a number of things: the texts `one.` and `many.` and the noun."""
        return self(f"{'one' if number == 1 else 'many'}.{noun}", n=number)

    def size(self, count: float) -> str:
        """Write a number of bytes."""
        return human_bytes(count) if self.language == "en" else human_bytes(count).replace(".", ",")

    def time(self, seconds: float) -> str:
        """Write a length of time as people say it."""
        text = human_duration(seconds)
        return text if self.language == "en" else text.replace(" d", " T")

    def group(self, prefix: str) -> dict[str, str]:
        """Give all texts whose keys begin so, by the rest of the key: what a script in the browser needs."""
        start = f"{prefix}."
        return {key.removeprefix(start): self(key) for key in TEXTS if key.startswith(start)}


def speech(lang: str | None = None) -> Speech:
    """Give the language to speak.

    Parameters
    ----------
    lang : {"en", "de"}, optional
        Then the environment variable `RADAR_NB_LANG`, then `LANG`; English where that is neither.

    Raises
    ------
    SettingsError
        The language is none of the two.

    Examples
    --------
    >>> speech("de")("panel.cancel")
    'Abbrechen'
    """
    asked = lang or os.environ.get("RADAR_NB_LANG")
    if not asked:
        return Speech("de" if os.environ.get("LANG", "").lower().startswith("de") else "en")
    for language in ("en", "de"):
        if asked.lower() == language:
            return Speech(language)
    raise SettingsError(
        f"{asked!r} is no language of radar_nb: choose 'en' or 'de' (argument lang= or RADAR_NB_LANG)"
    )


TEXTS: dict[str, tuple[str, str]] = {
    # --- numbers and times
    "one.month": ("{n} month", "{n} Monat"),
    "many.month": ("{n} months", "{n} Monate"),
    "one.file": ("{n} file", "{n} Datei"),
    "many.file": ("{n} files", "{n} Dateien"),
    "one.retry": ("tried again once", "einmal neu versucht"),
    "many.retry": ("tried again {n} times", "{n} Mal neu versucht"),
    "time.about": ("about {time} at {speed}/s", "etwa {time} bei {speed}/s"),
    "time.unknown": ("time unknown until the first download", "Dauer erst nach dem ersten Laden bekannt"),
    "time.left": ("{time} left", "noch {time}"),
    # --- products and families
    "product.YW": ("5-minute rain, adjusted to gauges", "5-Minuten-Niederschlag, an Messstationen angeeicht"),
    "product.RW": ("hourly rain, adjusted to gauges", "Stundenniederschlag, an Messstationen angeeicht"),
    "product.SF": ("24-hour rain, sliding every hour", "24-Stunden-Niederschlag, gleitend jede Stunde"),
    "product.RY": ("5-minute rain from radar alone", "5-Minuten-Niederschlag allein aus Radar"),
    "means.YW": (
        "Millimetres of water in 5 minutes, a field every 5 minutes, made to agree with the rain gauges.",
        "Millimeter Wasser in 5 Minuten, alle 5 Minuten ein Feld, angeglichen an die Niederschlagsmesser.",
    ),
    "means.RW": (
        "Millimetres of water in an hour, a field every hour, made to agree with the rain gauges.",
        "Millimeter Wasser in einer Stunde, jede Stunde ein Feld, angeglichen an die Niederschlagsmesser.",
    ),
    "means.SF": (
        "Millimetres of water in 24 hours: the sum of 24 fields of RW, a new one every hour.",
        "Millimeter Wasser in 24 Stunden: die Summe von 24 Feldern RW, jede Stunde eine neue.",
    ),
    "means.RY": (
        "Millimetres of water in 5 minutes as the radars see it, quality-checked, no gauges used.",
        "Millimeter Wasser in 5 Minuten, wie die Radare es sehen, geprüft, ohne Niederschlagsmesser.",
    ),
    "family.auto": ("automatic: the best that covers all months", "automatisch: die beste, die alle Monate hat"),
    "family.radklim": (
        "RADKLIM 2017.002: reprocessed with one method, for climate studies",
        "RADKLIM 2017.002: mit einer Methode neu berechnet, für Klimastudien",
    ),
    "family.radolan": (
        "RADOLAN: the operational series, its method changed over the years",
        "RADOLAN: die laufende Reihe, ihr Verfahren änderte sich über die Jahre",
    ),
    "family.nrt": (
        "near real time: RADOLAN of the last 48 hours, half an hour old",
        "nahe Echtzeit: RADOLAN der letzten 48 Stunden, eine halbe Stunde alt",
    ),
    "family.used": ("Series: {title}.", "Reihe: {title}."),
    # --- the calendar, for its script
    "calendar.label": ("Months to choose", "Monate zur Auswahl"),
    "calendar.months": (
        "January February March April May June July August September October November December",
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    ),
    "calendar.short": (
        "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    ),
    "calendar.seasons": ("winter spring summer autumn", "Winter Frühling Sommer Herbst"),
    "calendar.year": ("all of {name}", "ganz {name}"),
    "calendar.every": (
        "{name} of all years (Shift+click: of the selection, only {name})",
        "{name} aller Jahre (Umschalt+Klick: von der Auswahl nur {name})",
    ),
    "calendar.clear": ("clear", "leeren"),
    "calendar.empty": ("select nothing (Esc)", "nichts auswählen (Esc)"),
    "calendar.unpublished": ("not published", "nicht veröffentlicht"),
    "calendar.server": ("on the server", "auf dem Server"),
    "calendar.begun": ("partly here", "teilweise hier"),
    "calendar.downloaded": ("downloaded", "heruntergeladen"),
    "calendar.extracted": ("extracted", "entpackt"),
    "calendar.cube": ("in the cube", "im Würfel"),
    "calendar.broken": ("broken, fetched again", "beschädigt, neu zu holen"),
    "calendar.selected": ("selected", "ausgewählt"),
    "calendar.hint": (
        "Click or drag; Ctrl+click adds, Shift+click extends; a heading takes all its months.",
        "Klicken oder ziehen; Strg+Klick fügt hinzu, Umschalt+Klick erweitert; ein Kopf nimmt seine Monate.",
    ),
    "calendar.keys": (
        "Keys: arrows move, Space adds or removes, Enter takes only this one, Shift+arrow extends, Esc clears.",
        "Tasten: Pfeile bewegen, Leertaste ändert, Eingabe nimmt nur dies, Umschalt+Pfeil erweitert, Esc leert.",
    ),
    # --- the picker
    "picker.product": ("Product", "Produkt"),
    "picker.series": ("Series", "Reihe"),
    "picker.from": ("From", "Von"),
    "picker.to": ("To", "Bis"),
    "picker.again": ("Ask again", "Erneut fragen"),
    "picker.asking": ("asking the server …", "der Server wird gefragt …"),
    "picker.nothing": (
        "No month is selected: click one in the calendar, or type a date.",
        "Kein Monat ist ausgewählt: einen im Kalender anklicken oder ein Datum eingeben.",
    ),
    "plan.of": ("{months} of {name} ({span})", "{months} {name} ({span})"),
    "plan.span": ("{first} to {last}", "{first} bis {last}"),
    "plan.gaps": ("{span}, with gaps", "{span}, mit Lücken"),
    "plan.about": ("about {size}", "etwa {size}"),
    "plan.here": ("all on disk", "alle auf der Platte"),
    "plan.none": ("none on disk yet", "noch keine auf der Platte"),
    "plan.some": ("{files} on disk, {size} to fetch", "{files} auf der Platte, {size} zu holen"),
    "plan.free": ("{size} free", "{size} frei"),
    "plan.full": ("only {size} free, which is too little", "nur {size} frei, das ist zu wenig"),
    "plan.missing": ("Not on the server: {gaps}", "Nicht auf dem Server: {gaps}"),
    "plan.more": ("and {n} more", "und {n} weitere"),
    # --- the panel
    "panel.download": ("Download", "Herunterladen"),
    "panel.download.tip": ("Fetch what is not on disk yet", "Holen, was noch nicht auf der Platte ist"),
    "panel.pause": ("Pause", "Pause"),
    "panel.pause.tip": ("Ask for nothing more for now", "Vorerst nichts mehr holen"),
    "panel.resume": ("Resume", "Weiter"),
    "panel.resume.tip": ("Go on at the byte where it stopped", "Weiter bei dem Byte, bei dem es hielt"),
    "panel.cancel": ("Cancel", "Abbrechen"),
    "panel.cancel.tip": ("Stop; it can go on from there later", "Halt; später geht es von dort weiter"),
    "panel.extract": ("Extract", "Entpacken"),
    "panel.extract.tip": (
        "Unpack the archives into files; not needed to open them",
        "Die Archive in Dateien entpacken; zum Öffnen ist das nicht nötig",
    ),
    "panel.cube": ("Build cube", "Würfel bauen"),
    "panel.cube.tip": (
        "Build an array of what is here that answers in milliseconds, or extend it",
        "Aus dem, was hier ist, ein Feld bauen oder erweitern, das in Millisekunden antwortet",
    ),
    "panel.days": ("{done} of {total} days built", "{done} von {total} Tagen gebaut"),
    "panel.open": ("Open", "Öffnen"),
    "panel.open.tip": ("Open what is here as a Dataset", "Was hier ist, als Dataset öffnen"),
    "panel.retry": ("Retry", "Erneut versuchen"),
    "panel.retry.tip": ("Fetch what has failed", "Holen, was fehlschlug"),
    "panel.waiting": ("There is nothing to fetch yet.", "Noch gibt es nichts zu holen."),
    "panel.disk": ("{here} of {files} here", "{here} von {files} hier"),
    "panel.begun": ("{n} begun at {size}", "{n} begonnen bei {size}"),
    "panel.broken": ("{n} broken, to be fetched again", "{n} beschädigt, neu zu holen"),
    "panel.whole": ("Everything is here, ready to open.", "Alles ist hier und kann geöffnet werden."),
    "panel.connecting": ("beginning …", "es beginnt …"),
    "panel.opening": (
        "opening; the first time, the archives are read through …",
        "wird geöffnet; beim ersten Mal werden die Archive durchgelesen …",
    ),
    "panel.read": ("{done} of {total} parts read", "{done} von {total} Teilen gelesen"),
    "panel.problems": ("Not all of it could be read: {problems}", "Nicht alles war lesbar: {problems}"),
    "panel.opened": ("Opened. The same in a cell, in any notebook:", "Geöffnet. Dasselbe in einer Zelle:"),
    "panel.paused": ("paused", "angehalten"),
    "panel.stopping": ("stopping …", "wird angehalten …"),
    "panel.stopped": (
        "stopped; the next start goes on from here",
        "angehalten; der nächste Start geht von hier weiter",
    ),
    "panel.of": ("{done} of {total}", "{done} von {total}"),
    "panel.bar": ("progress", "Fortschritt"),
    "panel.others": ("and {n} more at work", "und {n} weitere in Arbeit"),
    "panel.sofar": ("{n} failed so far", "{n} bisher fehlgeschlagen"),
    "panel.failed": (
        "{failed} of {all} did not succeed, see below",
        "{failed} von {all} schlugen fehl, siehe unten",
    ),
    "panel.kept": ("all was there already", "alles war schon da"),
    "panel.moved": ("{size} in {time}", "{size} in {time}"),
    "panel.before": ("{size} were there from before", "{size} waren von vorher da"),
    "panel.dead": (
        "No kernel is behind this any more, so it does nothing: run the cell again (Shift+Enter).",
        "Dahinter läuft kein Kernel mehr, darum tut es nichts: die Zelle erneut ausführen (Umschalt+Eingabe).",
    ),
    # --- the table of what became of each file
    "report.file": ("file", "Datei"),
    "report.state": ("state", "Zustand"),
    "report.size": ("size", "Größe"),
    "report.time": ("time", "Dauer"),
    "report.remark": ("remark", "Bemerkung"),
    "report.more": ("and {files} more", "und {files} mehr"),
    "state.done": ("done", "fertig"),
    "state.resumed": ("resumed", "fortgesetzt"),
    "state.kept": ("kept", "behalten"),
    "state.failed": ("failed", "fehlgeschlagen"),
    "state.missing": ("missing", "nicht zu haben"),
    "state.cancelled": ("cancelled", "abgebrochen"),
    "state.waiting": ("waiting", "wartet"),
    "state.running": ("running", "läuft"),
    # --- errors in a few words, by kind; the error's own message follows
    "error.UnknownProduct": ("There is no such product.", "Ein solches Produkt gibt es nicht."),
    "error.MonthError": ("There is no such month.", "Einen solchen Monat gibt es nicht."),
    "error.CoverageError": ("These months are not to be had so.", "Diese Monate sind so nicht zu haben."),
    "error.SettingsError": ("A setting is wrong.", "Eine Einstellung ist falsch."),
    "error.ListingError": (
        "The server's listing cannot be read.",
        "Das Verzeichnis des Servers ist nicht lesbar.",
    ),
    "error.DownloadError": ("The file did not arrive.", "Die Datei kam nicht an."),
    "error.NotOnServer": ("The server has no such file.", "Der Server hat keine solche Datei."),
    "error.Refused": ("The server refuses.", "Der Server lehnt ab."),
    "error.ServerUnavailable": ("The server cannot be reached.", "Der Server ist nicht erreichbar."),
    "error.TransferTimeout": ("The server has fallen silent.", "Der Server ist verstummt."),
    "error.NotAnArchive": ("What came is no archive.", "Was kam, ist kein Archiv."),
    "error.DamagedDownload": ("What came is damaged.", "Was kam, ist beschädigt."),
    "error.StorageError": ("The disk cannot be used so.", "Die Platte lässt sich so nicht benutzen."),
    "error.DiskFull": ("There is too little room on the disk.", "Auf der Platte ist zu wenig Platz."),
    "error.NotWritable": ("The folder may not be written.", "In den Ordner darf nicht geschrieben werden."),
    "error.NothingFound": ("There is nothing to open.", "Es gibt nichts zu öffnen."),
    "error.ArchiveError": ("The archive is damaged.", "Das Archiv ist beschädigt."),
    "error.UnsafeMember": ("The archive cannot be trusted.", "Dem Archiv ist nicht zu trauen."),
    "error.FrameError": ("A field in the archive cannot be read.", "Ein Feld im Archiv ist nicht lesbar."),
    "error.SeriesError": ("These files do not make one series.", "Diese Dateien ergeben keine Reihe."),
    "error.RadarNbError": ("That did not work.", "Das gelang nicht."),
    "error.Exception": ("Something unforeseen happened.", "Etwas Unvorhergesehenes ist geschehen."),
    # --- the app
    "app.months": ("1  Choose months", "1  Monate wählen"),
    "app.change": ("Choose others", "Andere wählen"),
    "app.download": ("2  Download and open them", "2  Herunterladen und öffnen"),
    "app.explore": ("3  Watch the rain", "3  Den Regen ansehen"),
    "app.later": (
        "The rain plays here as soon as you press Open.",
        "Hier läuft der Regen, sobald Öffnen gedrückt ist.",
    ),
}
"""Each text in English and in German, by its key."""
