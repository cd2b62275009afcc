// The explorer's HTML.
import { escaped } from "./format.js";
import { KEYS } from "./keys.js";
import { zoneNames } from "./zones.js";

const ICONS = {
  play: "M5 3.5v13l11-6.5z", pause: "M5 3.5h3.5v13H5zM11.5 3.5H15v13h-3.5z",
  back: "M12.5 4v12L5 10z M4 4h1.6v12H4z", forward: "M7.5 4v12l7.5-6z M14.4 4H16v12h-1.6z",
  rain: "M10 2.5c3 4 5 6.6 5 9a5 5 0 0 1-10 0c0-2.4 2-5 5-9z",
  plus: "M9.2 4h1.6v5.2H16v1.6h-5.2V16H9.2v-5.2H4V9.2h5.2z", minus: "M4 9.2h12v1.6H4z",
  fit: "M3 3h5v1.6H4.6V8H3z M12 3h5v5h-1.6V4.6H12z M3 12h1.6v3.4H8V17H3z M15.4 12H17v5h-5v-1.6h3.4z",
  point: "M10 2a5.5 5.5 0 0 1 5.500 5.500C15.500 11.500 10 18 10 18S4.500 11.500 4.500 7.500A5.500 5.500 0 0 1 10 2z M10 5.300a2.200 2.200 0 1 0 0 4.400 2.200 2.200 0 1 0 0-4.400z",
  box: "M3 4.500h14v11H3z M4.600 6.100v7.800h10.800V6.100z", polygon: "M10 2.500l7.500 5.600-2.900 9H5.400l-2.900-9z M10 4.500L4.400 8.700l2.200 6.800h6.800l2.200-6.800z",
  full: "M3 3h6v1.600H5.700l3.600 3.600-1.100 1.100L4.600 5.700V9H3z M11 15.400h3.300l-3.600-3.600 1.100-1.100 3.600 3.600V11H17v6h-6z",
  swipe: "M9.200 2h1.600v16H9.200z M2 5h5.500v10H2z M3.600 6.600v6.800H6V6.600z M12.500 5H18v10h-5.500z",
  file: "M2.500 4h5.200l1.800 2h8v10h-15z M4.100 7.600v6.800h11.800V7.600z",
  close: "M5.100 4L10 8.900 14.900 4 16 5.100 11.100 10 16 14.900 14.900 16 10 11.100 5.100 16 4 14.900 8.900 10 4 5.100z",
};
export const icon = (name) => `<svg viewBox="0 0 20 20" aria-hidden="true"><path fill-rule="evenodd" d="${ICONS[name]}"/></svg>`;
export const HOURS = [1, 6, 24]; // of sums that end now
const SPEEDS = [2, 5, 10, 15, 30, 60];
export const button = (name, glyph, label, key = "") =>
  `<button type="button" class="rnb-${name}" aria-label="${escaped(label)}" title="${escaped(label)}${key && ` (${key})`}">${icon(glyph)}</button>`;
const options = (values, chosen) => values.map(([value, text]) => `<option value="${escaped(value)}"${value === chosen ? " selected" : ""}>${escaped(text)}</option>`).join("");
export const legendRow = (colour, text) => `<li><i style="background:${colour}"></i><span>${escaped(text)}</span></li>`;
export const GROUNDS = [["dry", "dry"], ["gap", "no_data"], ["outside", "no_coverage"]]; // tones, and keys of their texts

export function layout(info, t) {
  return `
<section class="rnb-present" role="status" aria-live="polite" hidden></section>
<header><h2 title="${escaped(`${info.about} ${info.credit}`)}">${escaped(info.title)}</h2><div class="rnb-when"><output class="rnb-time"></output>${info.times ? `<select class="rnb-tz" aria-label="${escaped(t.zone)}" title="${escaped(t.zone)}">${options(zoneNames(info.timezone).map((name) => [name, name]), info.timezone ?? "UTC")}</select>` : ""}</div></header>
<div class="rnb-body" style="--rnb-aspect:${info.shape[1] / info.shape[0]}">${stageHtml(info, t)}
  <aside>${legendHtml(info, t)}${seriesHtml(info, t)}</aside>
</div>${transportHtml(info, t)}${footerHtml(info, t)}${dialogsHtml(t)}`;
}

const stageHtml = (info, t) => `
  <div class="rnb-stage" tabindex="0" role="application" aria-roledescription="${escaped(t.map)}" aria-label="${escaped(info.title)}">
    <canvas class="rnb-field"></canvas><canvas class="rnb-held" hidden></canvas><canvas class="rnb-over"></canvas>
    <div class="rnb-tools" role="toolbar" aria-label="${escaped(t.map)}">
      ${button("mode", "point", t.point)}${button("mode", "box", t.box)}${button("mode", "polygon", t.polygon)}<hr>
      ${button("zoomin", "plus", t.zoom_in, "+")}${button("zoomout", "minus", t.zoom_out, "−")}${button("fit", "fit", t.fit, "0")}<hr>
      ${button("full", "full", t.full_screen, "F")}${button("compare", "swipe", t.compare, "C")}
    </div>
    <div class="rnb-readout"></div>
    <div class="rnb-swipe" role="slider" tabindex="0" aria-orientation="horizontal" aria-valuemin="0" aria-valuemax="100" aria-label="${escaped(t.compare)}" hidden></div><div class="rnb-heldname" hidden></div>
    <div class="rnb-waiting">${escaped(t.waiting)}</div>
    <div class="rnb-credit">${escaped(info.credit)}<br>${escaped(t.map)}: ${escaped(info.sources)}</div>
    <div class="rnb-status" role="status" aria-live="polite"></div>
  </div>`;

function legendHtml(info, t) {
  const named = info.units[0].names ? " hidden" : "", palettes = Object.keys(info.palettes).map((name) => [name, t[`palette_${name}`] ?? name]);
  const layers = ["borders", "towns", "sites", "graticule", ...(info.gauges ? ["gauges"] : [])].map((layer) => `<label><input type="checkbox" checked data-layer="${layer}"> ${escaped(t[layer])}</label>`);
  return `
    <section class="rnb-legend"><h3>${escaped(t.legend)} <span class="rnb-unitname"></span></h3>
      <ul class="rnb-classes"></ul>
      <div class="rnb-look">
        <label${named}>${escaped(t.unit)}<select class="rnb-unit"${info.units.length < 2 ? " disabled" : ""}>${options(info.units.map((u, k) => [String(k), u.name]))}</select></label>
        <label${named}>${escaped(t.palette)}<select class="rnb-palette">${options(palettes)}</select></label>
        <label${named}>${escaped(t.limits)}<input class="rnb-limits" type="text" spellcheck="false"></label>
        <label>${escaped(t.opacity)}<input class="rnb-opacity" type="range" min="20" max="100" step="5" value="100"></label>
        <ul class="rnb-ground">${GROUNDS.map(([, text]) => legendRow("transparent", t[text])).join("")}</ul>
      </div>
      <fieldset><legend class="rnb-hidden">${escaped(t.map)}</legend>${layers.join("")}<label><input type="checkbox" class="rnb-dark"> ${escaped(t.dark)}</label></fieldset></section>`;
}

const seriesHtml = (info, t) => `
    <section class="rnb-series"><h3>${escaped(t.series)} <span class="rnb-seriesunit"></span></h3>
      <form class="rnb-goto"><input type="text" aria-label="${escaped(t.lonlat)}" placeholder="${escaped(t.lonlat)}" role="combobox" aria-expanded="false" aria-autocomplete="list"><ul class="rnb-found" role="listbox" hidden></ul><button type="submit">${escaped(t.add)}</button>${info.alone ? "" : `<button type="button" class="rnb-areas" title="${escaped(t.areas_long)}">${escaped(t.areas)}</button><input type="file" class="rnb-file" accept=".geojson,.json,.gpkg,.zip,.kml,.gml,.fgb,.parquet" hidden>`}</form>
      <p class="rnb-empty">${escaped(t.click_map)}${info.alone ? "" : ` ${escaped(t.areas_hint)}`}</p>
      <div class="rnb-chartbar"${info.count < 2 || info.units[0].names ? " hidden" : ""}>${info.sums && info.times ? `<label>${escaped(t.chart)}<select class="rnb-kind">${options(kinds(info, t), "both")}</select></label>` : ""}<button type="button" class="rnb-unzoom" hidden>${escaped(t.whole_span)}</button></div>
      <div class="rnb-chart" hidden><canvas role="img" aria-label="${escaped(t.series)}"></canvas><div class="rnb-rule"></div><div class="rnb-chartnow"></div></div>
      <div class="rnb-table">
      <table><thead><tr><th></th><th>${escaped(t.place)}</th><th>${escaped(t.now)}</th><th${info.units[0].names ? " hidden" : ""}>${escaped(t.max_short)}</th>${info.sums ? `<th>${escaped(t.sum_mm)}</th>` : ""}<th></th></tr></thead><tbody class="rnb-marks"></tbody></table></div></section>`;

const kinds = ({ minutes }, t) => [["rain", t.chart_rain], ["sum", t.running_sum], ["both", t.chart_both], ...(minutes ? HOURS.filter((hours) => 60 * hours > minutes).map((hours) => [String(hours), t.moving_sum.replace("{hours}", hours)]) : [])];

const transportHtml = (info, t) => `
<div class="rnb-transport" role="group" aria-label="${escaped(t.playback)}"${info.count < 2 ? " hidden" : ""}>
  ${button("back", "back", t.back, "←")}${button("play", "play", t.play, t.key_space)}${button("forward", "forward", t.forward, "→")}${button("rain", "rain", t.next_rain, "R")}
  <div class="rnb-timeline"><canvas aria-hidden="true"></canvas><div class="rnb-pointed" hidden></div><div class="rnb-head"></div><input class="rnb-slider" type="range" min="0" max="${info.count - 1}" value="0" aria-label="${escaped(t.time)}"></div>
  <label>${escaped(t.speed)}<select class="rnb-speed">${options(SPEEDS.map((s) => [String(s), `${s} / s`]), "15")}</select></label>
  <label>${escaped(t.loop)}<select class="rnb-loop">${options([["repeat", t.loop_repeat], ["pingpong", t.loop_pingpong], ["once", t.loop_once]], "repeat")}</select></label>
  <button type="button" class="rnb-keys" aria-label="${escaped(t.keys)}" title="${escaped(t.keys)} (?)">?</button>
</div>`;

function footerHtml(info, t) {
  const shown = [["", t.fields, t.as_played], ...(info.sums ? [["sum", t.sum_short, t.sum]] : []), ...(info.units[0].names ? [] : [["max", t.max_word, t.max]])];
  const exports = [["png", "PNG", t.png_long], ["csv", "CSV", t.csv_long], ["animation", t.animation_word, t.animation_long], ["page", "HTML", t.page_long], ["code", t.code, t.code_long]];
  const one = info.count < 2, word = (name, data, text, title, more = "") => `<button type="button" class="rnb-${name}" data-${data} title="${escaped(title)}"${more}>${escaped(text)}</button>`;
  return `
<footer>
  <div class="rnb-spanbox" role="group" aria-label="${escaped(t.span)}"${one ? " hidden" : ""}>
    <div class="rnb-row">${word("from", "span", t.from_here, `${t.from_here_long} ([)`)}${word("to", "span", t.to_here, `${t.to_here_long} (])`)}</div><span class="rnb-span">${escaped(t.whole)}</span>${button("whole", "close", t.whole)}
  </div>
  <div class="rnb-row" role="group" aria-label="${escaped(t.total)}"${one ? " hidden" : ""}>${shown.map(([how, text, title]) => word("total", `how="${how}"`, text, title, ` aria-pressed="${!how}"`)).join("")}${info.sums && info.minutes ? `<select class="rnb-last" aria-label="${escaped(t.last_long)}" title="${escaped(t.last_long)}">${options([["", t.last], ...HOURS.filter((hours) => 60 * hours > info.minutes).map((hours) => [String(hours), t.last_hours.replace("{hours}", hours)])], "")}</select>` : ""}</div>
  <div class="rnb-exports" role="group" aria-label="${escaped(t.export)}"><span>${escaped(t.export)}</span><div class="rnb-row">${exports.filter(([what]) => !(one && what === "animation")).map(([what, text, title]) => word("export", `what="${what}"`, text, title)).join("")}</div></div>
</footer>`;
}

const dialogsHtml = (t) => `
<dialog class="rnb-codebox" aria-label="${escaped(t.code)}"><textarea readonly rows="16" wrap="off" spellcheck="false" aria-label="${escaped(t.code)}"></textarea><form method="dialog"><button type="button" class="rnb-copy">${escaped(t.copy)}</button><button>${escaped(t.close)}</button></form></dialog>
<dialog class="rnb-keybox" aria-label="${escaped(t.keys)}"><h3>${escaped(t.keys)}</h3><dl>${KEYS.map(([keys, text]) => `<div><dt>${keys.map((key) => `<kbd>${escaped(t[key] ?? key)}</kbd>`).join(" ")}</dt><dd>${escaped(t[text])}</dd></div>`).join("")}</dl><form method="dialog"><button>${escaped(t.close)}</button></form></dialog>
<dialog class="rnb-pagebox" aria-label="HTML"><p></p><form method="dialog"><button value="make">${escaped(t.make)}</button><button value="">${escaped(t.cancel)}</button></form></dialog>`;
