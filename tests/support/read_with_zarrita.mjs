// Print the shape of a cube's array, the codes of one step, and what its attributes say, as one line of JSON.
// node read_with_zarrita.mjs CUBE ARRAY STEP: needs the package zarrita beside it or in NODE_PATH.
import { open } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.env.ZARRITA ?? process.cwd(), "package.json"));
const zarr = await import(pathToFileURL(require.resolve("zarrita")));

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
