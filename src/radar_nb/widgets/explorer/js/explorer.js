// The entry: anywidget calls `render`, an exported page calls `openPage`, the page of a cube `openCube`.
import { openCube } from "./cube_page.js";
import { openPage } from "./page.js";
import { render } from "./widget.js";

export default { render, openCube, openPage };
