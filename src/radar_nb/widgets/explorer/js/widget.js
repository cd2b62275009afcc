// A view of the widget is an element with its player.
import { Player } from "./player.js";

export function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "rnb-explorer";
  root.tabIndex = -1;
  // JupyterLab's own keys keep away from what has this attribute itself; a click on a text would focus its cell
  root.addEventListener("focusin", (event) => { event.target.dataset.lmSuppressShortcuts = "true"; });
  root.addEventListener("click", () => root.contains(document.activeElement) || root.focus({ preventScroll: true }));
  el.append(root);
  root.player = new Player(model, root, model.get("texts"));
  return () => root.player.close();
}
