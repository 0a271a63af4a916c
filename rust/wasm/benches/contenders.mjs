// The contenders of benchmarks/web.py in Node: `contenders.mjs model.safetensors step.onnx`. Reads one
// request per line on standard input and writes one answer per line on standard output. It times
// itself, so that communication between the processes is not included.

import { createInterface } from "node:readline";
import { readFile } from "node:fs/promises";

import * as ort from "onnxruntime-web";

import { Model } from "../../../target/npm/recgrela/node.js";

const K = 10;
const [, , modelFile, stepFile] = process.argv;

/** The package; item ids are the indices. */
class Package {
  static async load(simd) {
    return new Package((await Model.load(modelFile, { simd })).session());
  }

  constructor(session) {
    this.session = session;
  }

  appendAndTopK(item) {
    this.session.append(item);
    return this.session.topK(K);
  }

  top(found) {
    return found.map(({ item }) => item);
  }

  scores() {
    return this.session.score(Array(COUNT).keys());
  }

  reset() {
    this.session.reset();
  }
}

/**
 * The step of benchmarks/onnx_recurrent.py in onnxruntime-web, on one thread and with SIMD.
 *
 * The output state is fed back without copying, and all scores are fetched only when not timing.
 * Memory arena and pattern on or off, and denormals as zero, made no difference. Preallocated output
 * tensors are not filled.
 */
class OnnxStep {
  static async load() {
    ort.env.wasm.numThreads = 1;
    const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
    return new OnnxStep(await ort.InferenceSession.create(await readFile(stepFile), options));
  }

  constructor(session) {
    this.session = session;
    this.item = new ort.Tensor("int64", new BigInt64Array(1), [1, 1]);
    this.position = new ort.Tensor("int64", new BigInt64Array(1), [1]);
    this.inputs = session.inputMetadata.filter(({ name }) => /\d$/.test(name));
    this.outputs = [...this.inputs.map(({ name }) => `${name}_next`), "top_items", "top_scores"];
    this.reset();
  }

  async appendAndTopK(item) {
    this.item.data[0] = BigInt(item);
    this.position.data[0] = BigInt(this.events++);
    const { top_items, top_scores, ...state } = await this.session.run(this.feeds(), this.outputs);
    this.before = this.state;
    this.state = this.inputs.map(({ name }) => state[`${name}_next`]);
    return top_items.data;
  }

  feeds(state = this.state) {
    const feeds = { item: this.item, position: this.position };
    this.inputs.forEach(({ name }, index) => (feeds[name] = state[index]));
    return feeds;
  }

  top(found) {
    return Array.from(found, Number);
  }

  /** Scores after the last event, which is run once more from the state before it. */
  async scores() {
    return (await this.session.run(this.feeds(this.before), ["scores"])).scores.data;
  }

  reset() {
    this.events = 0;
    this.state = this.inputs.map(({ shape }) => {
      return new ort.Tensor("float32", new Float32Array(shape.reduce((a, b) => a * b)), shape);
    });
  }
}

const loaded = await Model.load(modelFile);
const COUNT = loaded.length;
loaded.free();
const contenders = {
  simd128: await Package.load(true),
  plain: await Package.load(false),
  onnxruntime: await OnnxStep.load(),
};

/** Nanoseconds per event. Awaits only promises, so that synchronous contenders do not wait. */
async function timeBlock(contender, items) {
  const times = [];
  for (const item of items) {
    const start = process.hrtime.bigint();
    const found = contender.appendAndTopK(item);
    if (found instanceof Promise) await found;
    times.push(Number(process.hrtime.bigint() - start));
  }
  return times;
}

const answers = {
  append: async (contender, item) => contender.top(await contender.appendAndTopK(item)),
  time: timeBlock,
  scores: async (contender) => Array.from(await contender.scores()),
  reset: (contender) => contender.reset() ?? null,
};

for await (const line of createInterface({ input: process.stdin })) {
  const { name, call, argument } = JSON.parse(line);
  console.log(JSON.stringify(await answers[call](contenders[name], argument)));
}
