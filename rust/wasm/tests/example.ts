// Compiled by types.test.mjs, never run.

import {
  type Config,
  type ItemId,
  Model,
  type Reason,
  type Recommendation,
  RecgrelaError,
  Session,
} from "recgrela";

export async function example(bytes: ArrayBuffer): Promise<void> {
  using model = await Model.load("/model.safetensors", {
    onProgress: ({ loaded, total }) => console.log(loaded, total ?? "?"),
    signal: AbortSignal.timeout(1000),
    simd: false,
  });
  await Model.load(new URL("https://example.org/model.safetensors"), { cache: false });
  await Model.load(bytes, { verify: false });
  const session: Session = model.session();
  const taken: boolean = session.append("a", { unknown: "skip" });
  const count: number = session.extend(new Set<ItemId>([1, 2n, "b"]));
  const best: Recommendation[] = session.topK(10, { excludeSeen: false, allow: [1], deny: ["b"] });
  const scores: Float32Array = session.score(best.map(({ item }) => item));
  session.peek([1], 5);
  session.step(1, 5, { unknown: "skip", deny: [2] });
  session.keepUndo(1);
  session.undo();
  session.keepLog(Infinity);
  session.forget([1]);
  session.append("a", { kind: "cart", unknown: "skip" });
  session.extend(["a", "b"], { kinds: "view" });
  session.step("a", 5, { kind: "view", maxPerGroup: 2 });
  session.peek(["a", "b"], 5, { kinds: new Set(["view", "cart"]), maxPerGroup: 2 });
  const [reason]: Reason[] = session.why("a", 1);
  console.log(reason?.position, reason?.item, reason?.kind?.length, reason?.drop);
  model.setGroups(Int32Array.of(1, 2));
  model.addItems(["c"], new Float32Array(32));
  model.retire(model.retired);
  model.reinstate(["c"]);
  model.setOverlay(model.overlay());
  const moved: Session = model.migrate(session.snapshot(), session.log, { kinds: session.logKinds });
  console.log(moved.events, model.kinds, model.hasStart);
  const config: Config = model.config;
  const vectors: Float32Array = model.itemVectors(model.added.concat(model.replaced));
  console.log(config.positions === "rotary", vectors.length / config.hiddenSize, model.tableDtype);
  console.log(session.userVector()[0], session.undoBytes, model.compareIsas());
  const kept = new Blob([session.snapshot({ precision: "f16" })]);
  session.restore(await kept.arrayBuffer());
  using copy = session.clone();
  copy.reset();
  console.log(taken, count, scores, model.length, model.items(), session.seen, session.events);

  // @ts-expect-error: a Session comes from a model
  new Session();
  // @ts-expect-error: no such precision
  session.snapshot({ precision: "f64" });
  // @ts-expect-error: no such choice
  session.append(1, { unknown: "ignore" });
  // @ts-expect-error: read-only
  session.events = 5;
  // @ts-expect-error: one kind for one event
  session.append(1, { kinds: ["view"] });
  // @ts-expect-error: not an id
  session.append({});
  try {
    session.undo(2);
  } catch (error) {
    if (error instanceof RecgrelaError && error.code === "undo-depth") return;
    throw error;
  }
}
