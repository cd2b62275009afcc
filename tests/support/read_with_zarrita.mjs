// Print the shape of a cube's array, the codes of one step, and what its attributes say, as one line of JSON.
// ZARRITA=FOLDER node read_with_zarrita.mjs CUBE ARRAY STEP, after `npm install zarrita` in that folder.
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const place = join(process.env.ZARRITA, "node_modules", "zarrita");
const { exports } = JSON.parse(await readFile(join(place, "package.json"), "utf8"));
const entry = exports["."].import ?? exports["."];
const zarr = await import(pathToFileURL(join(place, entry.default ?? entry)));

class Folder {
  constructor(root) {
    this.root = root;
  }

  async #read(key, place) {
    let file;
    try {
      file = await open(join(this.root, key));
    } catch {
      return undefined; // zarrita's sign for a chunk that does not exist
    }
    try {
      const { size } = await file.stat();
      const [offset, length] = place(size);
      const bytes = new Uint8Array(length);
      await file.read(bytes, 0, length, offset);
      return bytes;
    } finally {
      await file.close();
    }
  }

  get(key) {
    return this.#read(key, (size) => [0, size]);
  }

  getRange(key, range) {
    return this.#read(key, (size) =>
      "suffixLength" in range ? [size - range.suffixLength, range.suffixLength] : [range.offset, range.length],
    );
  }
}

const [, , cube, name, step] = process.argv;
const array = await zarr.open(zarr.root(new Folder(cube)).resolve(name), { kind: "array" });
const field = await zarr.get(array, [Number(step), null, null]);
console.log(JSON.stringify({ shape: array.shape, scale: array.attrs.scale_factor, codes: Array.from(field.data) }));
