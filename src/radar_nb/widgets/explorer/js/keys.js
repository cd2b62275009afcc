// The explorer's keys: what each does, in the order of their list, and the text that explains it.
const fieldsOf = (player, minutes) => Math.max(1, Math.round(minutes / (player.info.minutes || minutes / 12)));

export const KEYS = [
  [["key_space"], "play", { " ": (p) => p.play() }],
  [["←", "→"], "key_steps", { ArrowLeft: (p) => p.step(-1), ArrowRight: (p) => p.step(1) }],
  [["Shift ←", "Shift →"], "key_hours", { "Shift+ArrowLeft": (p) => p.step(-fieldsOf(p, 60)), "Shift+ArrowRight": (p) => p.step(fieldsOf(p, 60)) }],
  [["key_page_up", "key_page_down"], "key_days", { PageUp: (p) => p.step(-fieldsOf(p, 1440)), PageDown: (p) => p.step(fieldsOf(p, 1440)) }],
  [["key_home", "key_end"], "key_ends", { Home: (p) => p.step(p.span[0] - p.playhead), End: (p) => p.step(p.span[1] - p.playhead) }],
  [["R"], "next_rain", { r: (p) => p.nextRain() }],
  [["[", "]"], "key_span", { "[": (p) => p.$(".rnb-from").click(), "]": (p) => p.$(".rnb-to").click() }],
  [["S", "M"], "total", { s: (p) => p.press("sum"), m: (p) => p.press("max") }],
  [["+", "−", "0"], "key_zoom", { "+": (p) => p.map.zoom(1.5), "-": (p) => p.map.zoom(1 / 1.5), 0: (p) => p.map.zoom(0) }],
  [["F"], "full_screen", { f: (p) => p.fullScreen() }],
  [["D"], "dark", { d: (p) => p.$(".rnb-dark").click() }],
  [["C"], "compare", { c: (p) => p.compare() }],
  [["?"], "keys", { "?": (p) => p.$(".rnb-keybox").showModal() }],
  [["key_esc"], "key_escape", { Escape: (p) => p.escape(), Enter: (p) => p.draft?.length >= 3 && p.finishArea(p.draft) }],
];
const ACTS = Object.assign({}, ...KEYS.map(([, , acts]) => acts));

// What a key does in the explorer; undefined if nothing.
export function actOf(event) {
  const shifted = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
  return ACTS[shifted] ?? ACTS[event.key.toLowerCase()];
}
