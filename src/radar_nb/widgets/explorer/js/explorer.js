// The entry: anywidget calls `render`, an exported page calls `openPage`.
import { openPage } from "./page.js";
import { render } from "./widget.js";

export default { render, openPage };
