// A view of the widget is an element with its player.
import { Player } from "./player.js";

export function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "rnb-explorer";
  root.tabIndex = -1;
  // JupyterLab ignores keys on elements with this attribute; a click on a text would focus the notebook cell
  root.addEventListener("focusin", (event) => { event.target.dataset.lmSuppressShortcuts = "true"; });
  root.addEventListener("click", () => root.contains(document.activeElement) || root.focus({ preventScroll: true }));
  el.append(root);
  root.player = new Player(model, root, model.get("texts"));
  return () => root.player.close();
}
