// Computes the golden hash of tests/golden/README.md in Node, a page or a worker.

const hex = (bytes) =>
  [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * The hashes of all models of format 1 and of format 2.
 * @param {typeof import("recgrela").Model} Model
 * @param {string | URL} folder of golden.json, with a trailing slash
 * @param {boolean} simd
 * @param {(url: URL) => Promise<Uint8Array>} read
 */
export async function goldenHashes(Model, folder, simd, read) {
  const text = new TextDecoder().decode(await read(new URL("golden.json", folder)));
  const golden = JSON.parse(text);
  const hashes = [];
  for (const { models } of [golden, golden.format_2]) {
    const digests = [];
    for (const [name, { sequences, kinds, times, sha256 }] of Object.entries(models)) {
      const model = await Model.load(await read(new URL(name, folder)), { simd });
      if (model.simd !== simd) throw new Error(`${name} runs on the other build`);
      const digest = await hashOfModel(model, sequences, kinds, times);
      if (hex(digest) !== sha256) throw new Error(`${name}: ${hex(digest)}, expected ${sha256}`);
      digests.push(digest);
      model.free();
    }
    hashes.push(hex(await sha256(digests)));
  }
  return hashes;
}

function hashOfModel(model, sequences, kinds, times) {
  const items = model.items();
  const indices = new Map(items.map((item, index) => [item, index]));
  const names = model.kinds;
  const parts = [];
  for (const [number, sequence] of sequences.entries()) {
    const session = model.session();
    const rank = () => {
      parts.push(session.score(items));
      parts.push(asBytes(session.topK(10), indices));
      parts.push(asBytes(session.topK(items.length, { excludeSeen: false }), indices));
    };
    if (model.hasStart) rank();
    for (const [place, index] of sequence.entries()) {
      const kind = names[kinds?.[number][place]];
      session.append(items[index], { kind, time: times?.[number][place] });
      rank();
    }
    session.free();
  }
  return sha256(parts);
}

/** A list as its length, then the index and score of each entry. */
function asBytes(list, indices) {
  const view = new DataView(new ArrayBuffer(4 + 8 * list.length));
  view.setUint32(0, list.length, true);
  list.forEach(({ item, score }, place) => {
    view.setUint32(4 + 8 * place, indices.get(item), true);
    view.setFloat32(8 + 8 * place, score, true);
  });
  return view.buffer;
}

async function sha256(parts) {
  return crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
}

/** Prints the hashes of both formats, as `make test-bindings` reads them. */
export function printHashes(name, [first, second]) {
  console.log(`${name} ${first}\n${name}-format-2 ${second}`);
}
