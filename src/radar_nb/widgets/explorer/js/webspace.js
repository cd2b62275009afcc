// Files of a web space, read whole or in parts by HTTP Range requests.
const TRIES = 3, TIMEOUT = 60e3; // ms for one request

// What went wrong, as the key of a text and its fields; `again` if another attempt may succeed.
export class Fault extends Error {
  constructor(key, fields = {}, again = false) {
    super(key);
    Object.assign(this, { key, fields, again });
  }
  text(texts) {
    return Object.entries(this.fields).reduce((text, [name, value]) => text.replace(`{${name}}`, value), texts[this.key]);
  }
}

export class WebSpace {
  constructor(root) {
    Object.assign(this, { root, requests: 0, bytes: 0 });
  }
  // The bytes from `from` to before `to` of a file, or all of it if it is no larger than `most`; and its time of change.
  async read(key, { from = 0, to, most = to - from }) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(new URL(key, this.root).href, to === undefined ? {} : { Range: `bytes=${from}-${to - 1}` }, most);
      } catch (error) {
        if (!error.again || attempt === TRIES) throw error;
        await new Promise((next) => setTimeout(next, 100 * 4 ** attempt));
      }
    }
  }
  async once(url, headers, most) {
    const response = await this.ask(url, { headers });
    if (headers.Range && response.status !== 206) throw await dropped(response, new Fault("cube_no_range", { url }));
    const modified = response.headers.get("last-modified"), bytes = new Uint8Array(most), reader = response.body.getReader();
    let size = 0;
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        if (size + part.value.length > most) throw new Fault("cube_too_large", { url });
        bytes.set(part.value, size);
        size += part.value.length;
      }
    } catch (error) {
      reader.cancel().catch(() => {});
      throw error instanceof Fault ? error : unreachable(url);
    }
    this.bytes += size;
    if (headers.Range && size < most) throw unreachable(url);
    return { bytes: bytes.subarray(0, size), modified };
  }
  async ask(url, options) {
    this.requests += 1;
    let response;
    try {
      // Chromium lets requests for parts of one file wait for each other if it may keep them
      response = await fetch(url, { ...options, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
    } catch {
      throw unreachable(url);
    }
    const { status } = response;
    if (response.ok) return response;
    if ([403, 404, 410].includes(status)) throw await dropped(response, new Fault("cube_gone", { url, status }));
    if (status === 416) throw await dropped(response, new Fault("cube_changed", { url }));
    throw await dropped(response, new Fault("cube_server", { url, status }, status === 429 || status >= 500));
  }
  // Bytes of a file, as the server states them now.
  async size(key) {
    const response = await this.ask(new URL(key, this.root).href, { method: "HEAD" });
    return Number(response.headers.get("content-length"));
  }
}

const unreachable = (url) => new Fault("cube_unreachable", { url, origin: self.location.origin }, true);

async function dropped(response, fault) {
  await response.body?.cancel().catch(() => {});
  return fault;
}
