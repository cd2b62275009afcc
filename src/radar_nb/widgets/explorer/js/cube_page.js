// A page of a cube: the explorer, a worker that answers it from a web space, and a choice of the year.
import { CubeKernel } from "./cube.js";
import { escaped } from "./format.js";
import { LocalModel } from "./page.js";
import { render } from "./widget.js";

class CubeModel extends LocalModel {
  constructor(content, worker) {
    super({ count: 0 }, content.texts);
    this.worker = worker;
    worker.onmessage = ({ data: [message, buffers] }) => this.receive(message, buffers);
    worker.postMessage({ content });
  }
  receive(message, buffers) {
    if (message.type === "info" && message.info) {
      this.state.span = [0, message.info.count - 1];
      this.showYears(message);
    }
    if (message.space) this.space = message.space; // requests and bytes so far
    this.answer(message, ...buffers);
  }
  async send(question) {
    const year = Number(location.hash.slice(1));
    this.worker.postMessage(question.type === "hello" && year ? { ...question, year } : question);
  }
  showYears({ years, year }) {
    const box = document.getElementById("years");
    document.title = `${document.title.replace(/ \d{4}$/, "")} ${year}`;
    box.innerHTML = `<label>${escaped(this.texts.year)} <select>${years.map((one) => `<option${one === year ? " selected" : ""}>${one}</option>`).join("")}</select></label>`;
    box.hidden = years.length < 2;
    box.querySelector("select").onchange = ({ target }) => {
      history.replaceState(null, "", `#${target.value}`);
      this.worker.postMessage({ type: "year", year: Number(target.value) });
    };
  }
}

// Runs in the page, and again in its worker, which has the same program.
export async function openCube(Decoder) {
  if (typeof document === "undefined") return listen(Decoder);
  const content = JSON.parse(document.getElementById("content").textContent);
  const problem = location.protocol === "file:" && !content.cube.url.includes("://") ? content.texts.cube_file : "";
  content.cube.url = new URL(content.cube.url, document.baseURI).href;
  const program = URL.createObjectURL(new Blob([document.getElementById("program").textContent], { type: "text/javascript" }));
  const model = problem ? new LocalModel({ count: 0 }, content.texts) : new CubeModel(content, new Worker(program, { type: "module" }));
  if (problem) model.send = async ({ type }) => type === "hello" && model.answer({ type: "info", problem });
  render({ model, el: document.getElementById("explorer") });
}

function listen(Decoder) {
  const decoder = new Decoder(), ready = decoder.init();
  let kernel = null;
  self.onmessage = async ({ data }) => {
    if (data.content) return (kernel = new CubeKernel(data.content, decoder, (message, ...buffers) => self.postMessage([message, buffers], buffers.map(({ buffer }) => buffer))));
    await ready;
    kernel.ask(data);
  };
}
