// Computes the golden hash of tests/golden/README.md in Node, a page or a worker.

const hex = (bytes) =>
  [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * The hash of all models.
 * @param {typeof import("recgrela").Model} Model
 * @param {string | URL} folder of golden.json, with a trailing slash
 * @param {boolean} simd
 * @param {(url: URL) => Promise<Uint8Array>} read
 */
export async function goldenHash(Model, folder, simd, read) {
  const text = new TextDecoder().decode(await read(new URL("golden.json", folder)));
  const golden = JSON.parse(text);
  const digests = [];
  for (const [name, { sequences, sha256 }] of Object.entries(golden.models)) {
    const model = await Model.load(await read(new URL(name, folder)), { simd });
    if (model.simd !== simd) throw new Error(`${name} runs on the other build`);
    const digest = await hashOfModel(model, sequences);
    if (hex(digest) !== sha256) throw new Error(`${name}: ${hex(digest)}, expected ${sha256}`);
    digests.push(digest);
    model.free();
  }
  return hex(await sha256(digests));
}

function hashOfModel(model, sequences) {
  const items = model.items();
  const indices = new Map(items.map((item, index) => [item, index]));
  const parts = [];
  for (const sequence of sequences) {
    const session = model.session();
    for (const index of sequence) {
      session.append(items[index]);
      parts.push(session.score(items));
      parts.push(asBytes(session.topK(10), indices));
      parts.push(asBytes(session.topK(items.length, { excludeSeen: false }), indices));
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
