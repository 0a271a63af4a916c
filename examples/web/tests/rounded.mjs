// A second model for the page's tests: a golden model with its item table rounded, as a valid file.

import { createHash } from "node:crypto";

/**
 * Rounds the item table of a model file to multiples of a step, and brings self-test and fingerprint up
 * to date.
 * @param {Buffer} file a model with an F32 table and integer ids
 * @param {number} step
 * @param {typeof import("../../../rust/wasm/js/index.js").Model} Model
 */
export async function rounded(file, step, Model) {
  const bytes = Buffer.from(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  const part = (name) => {
    const [start, end] = header[name].data_offsets.map((offset) => 8 + length + offset);
    return bytes.subarray(start, end);
  };
  const each = (name, call) => {
    for (let at = 0; at < part(name).length; at += 4) call(part(name), at);
  };
  each("catalog.table", (table, at) =>
    table.writeFloatLE(Math.round(table.readFloatLE(at) / step) * step, at),
  );
  const scores = await selfTest(bytes, part, Model);
  each("selftest.scores", (stored, at) => stored.writeFloatLE(scores[at / 4], at));

  const hash = createHash("sha256").update(header.__metadata__["recgrela.config"]);
  for (const name of Object.keys(header).sort()) {
    if (name === "__metadata__") continue;
    const { dtype, shape } = header[name];
    hash.update(`${name}\0${dtype}\0${shape.join(",")}\0`).update(part(name));
  }
  const fingerprint = header.__metadata__["recgrela.fingerprint"];
  bytes.write(hash.digest("hex"), bytes.indexOf(fingerprint));
  return bytes;
}

/** The scores of the self-test, by the engine. */
async function selfTest(bytes, part, Model) {
  const model = await Model.load(bytes, { verify: false });
  const ids = model.items();
  const indices = (name) => {
    const data = part(name);
    return Array.from({ length: data.length / 4 }, (_, at) => data.readInt32LE(4 * at));
  };
  const items = indices("selftest.items").map((item) => ids[item]);
  const ends = indices("selftest.end");
  const candidates = indices("selftest.candidates").map((item) => ids[item]);
  const each = candidates.length / ends.length;
  return ends.flatMap((end, row) => {
    const session = model.session();
    session.extend(items.slice(ends[row - 1] ?? 0, end));
    return [...session.score(candidates.slice(row * each, (row + 1) * each))];
  });
}
