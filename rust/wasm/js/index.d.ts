/// <reference lib="esnext.disposable" />

/** An id of the training data; a bigint only if no number is exact (beyond 2^53). */
export type ItemId = number | bigint | string;

/** An item and its score, a float32. */
export interface Recommendation {
  item: ItemId;
  score: number;
}

/** An event, and by how much an item's score falls without it. */
export interface Reason {
  /** The position in the history; the oldest event has 0. */
  position: number;
  item: ItemId;
  /** The kind of event, if the model has kinds. */
  kind?: string;
  /** Exact: the score after all events minus that of a session that never had this one. */
  drop: number;
}

/** The architecture of a model. */
export interface Config {
  /** D, the size of the hidden vector. */
  hiddenSize: number;
  /** The number of attention heads. */
  numHeads: number;
  /** The number of blocks. */
  numLayers: number;
  /** The inner size of the feed-forward part. */
  innerSize: number;
  /** The number of items in the file, without added ones. */
  numItems: number;
  /** Whether the output of attention is gated. */
  gate: boolean;
  /** Whether a convolution over the last four values is added. */
  localConv: boolean;
  /** How the order of events enters. */
  positions: "rotary" | "learned" | "none";
  /** Whether there is a LayerNorm after the last block. */
  finalNorm: boolean;
  /** Whether there is a start vector, which answers before the first event. */
  start: boolean;
  /** The names of the kinds of events; empty if events have no kinds. */
  kinds: string[];
  /** Whether the time between events is an input. */
  gaps: boolean;
}

/** What to do with an id that the model does not know; the default is "error". */
export interface UnknownOptions {
  unknown?: "error" | "skip";
}

export interface AppendOptions extends UnknownOptions {
  /** The kind of event. A model with kinds needs one of its kinds, a model without refuses any. */
  kind?: string;
  /**
   * The time of the event in seconds, rounded down to whole seconds. Milliseconds are not
   * recognised as such. A model that uses times needs it, any other refuses it.
   */
  time?: number;
}

export interface EventsOptions {
  /** The kind of all events, or one per item. */
  kinds?: string | Iterable<string>;
  /** The time of each event, as in append. */
  times?: Iterable<number>;
}

export interface ExtendOptions extends UnknownOptions, EventsOptions {}

/** Which items may be recommended. */
export interface TopKOptions extends UnknownOptions {
  /** Exclude seen items; true by default. */
  excludeSeen?: boolean;
  /** Rank only these items. */
  allow?: Iterable<ItemId>;
  /** Exclude these items. */
  deny?: Iterable<ItemId>;
  /** At most this many items of one group; needs Model.setGroups. */
  maxPerGroup?: number;
}

export interface StepOptions extends TopKOptions, AppendOptions {}

export interface PeekOptions extends TopKOptions, EventsOptions {}

export interface SnapshotOptions {
  /**
   * "f32", the default, is exact. "f16" halves the state: after restore the scores are the same until
   * the next event; after it, tests found errors below a thousandth of the largest.
   */
  precision?: "f32" | "f16";
}

/** Bytes loaded so far; total is null if the server does not report it. */
export interface Progress {
  loaded: number;
  total: number | null;
}

export interface LoadOptions {
  /** Called for each chunk of a file that arrives. */
  onProgress?(progress: Progress): void;
  /**
   * Store the file in the browser's Cache API, if there is one; true by default. The next load
   * only asks the server whether the file has changed (ETag or Last-Modified), and uses the cached
   * file if the server is unreachable. The four newest files per path are kept,
   * whatever their query.
   */
  cache?: boolean;
  /** Whether to use the build with SIMD; by default, if the machine supports it. */
  simd?: boolean;
  /** Recompute the file's fingerprint and replay its self-test; true by default. */
  verify?: boolean;
  /** Aborts the load, which then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** The kind of an error; more may be added. */
export type RecgrelaErrorCode =
  /** An argument of the wrong type or out of range. */
  | "invalid-argument"
  /** An id that the model does not have. */
  | "unknown-item"
  /** A query before the first event, on a model without a start vector. */
  | "no-events"
  /** More events to undo than can be undone. */
  | "undo-depth"
  /** forget or why without a log of all events, or a log that does not match migrate's snapshot. */
  | "no-log"
  /** Bytes that are not a model, or a damaged model. */
  | "invalid-model"
  /** Bytes that are not a snapshot, or a damaged snapshot. */
  | "invalid-snapshot"
  /** A snapshot of another model, or with added items that this one lacks. */
  | "foreign-snapshot"
  /** Bytes that are not an overlay of this model, a damaged overlay, or an invalid change. */
  | "invalid-overlay"
  /** A file that could not be read. */
  | "fetch-failed"
  /** Memory could not be allocated; nothing else is affected. */
  | "out-of-memory"
  /** A Model or Session that was freed. */
  | "freed"
  /** The engine crashed and its models and sessions are lost; load the model again. */
  | "crashed"
  /** WebAssembly is missing or not allowed. */
  | "unsupported"
  | "internal";

/** The only error that this package throws, except that an abort throws its signal's reason. */
export class RecgrelaError extends Error {
  private constructor();
  readonly name: "RecgrelaError";
  /** Stable, for programs; messages may change. */
  readonly code: RecgrelaErrorCode;
}

/** An immutable model. Sessions keep it alive, even after free(). */
export class Model {
  private constructor();

  /**
   * Loads a model file from a URL, from bytes or, in Node, from a path.
   *
   * Sources are untrusted; an invalid one throws a RecgrelaError. The memory is freed by free(), or
   * some time after the last reference is gone.
   */
  static load(
    source: string | URL | Uint8Array | ArrayBuffer,
    options?: LoadOptions,
  ): Promise<Model>;

  /** Creates a session for a user without history. */
  session(): Session;
  /**
   * Creates a session with the history of another model's snapshot, such as the one before
   * retraining. `log` has the items of all its events, oldest first; kinds and times are those of
   * extend. They are replayed; items that this model does not know are skipped.
   */
  migrate(
    snapshot: Uint8Array | ArrayBuffer,
    log: Iterable<ItemId>,
    options?: EventsOptions,
  ): Session;
  /** The vectors of items, the numbers of one after those of the other, as addItems takes them. */
  itemVectors(items: Iterable<ItemId>): Float32Array<ArrayBuffer>;
  /** Whether an item has this id. */
  has(item: unknown): boolean;
  /** The ids of all items, in file order, and then of added ones. Retired items count. */
  items(): ItemId[];
  /** The number of items. */
  readonly length: number;
  /** The names of the kinds of events, such as view and cart; empty if events have no kinds. */
  readonly kinds: string[];
  /** Whether the time between events is an input, so that each event needs its time. */
  readonly usesTimes: boolean;
  /** Whether a session recommends before its first event, from a learned start vector. */
  readonly hasStart: boolean;

  /**
   * Sets the group of each item, in the order of items(), for maxPerGroup of all sessions: any whole
   * numbers. Added items without a group are one group together.
   */
  setGroups(groups: Iterable<number>): void;

  /**
   * Adds items with their vectors, the numbers of one item after those of the other. If an item
   * exists, its vector is replaced. Retired items are reinstated. All sessions see a change.
   */
  addItems(items: Iterable<ItemId>, vectors: Iterable<number>): void;
  /** Retires items: they are no longer recommended. Histories may still contain them. */
  retire(items: Iterable<ItemId>): void;
  /** Reinstates retired items. */
  reinstate(items: Iterable<ItemId>): void;
  /** The retired items. */
  readonly retired: ItemId[];
  /** The items of the file whose vector was replaced. */
  readonly replaced: ItemId[];
  /** The added items, in the order in which they were added. */
  readonly added: ItemId[];
  /** All changes of the catalogue as the bytes of an overlay file. */
  overlay(): Uint8Array<ArrayBuffer>;
  /**
   * Replaces all changes by those of an overlay file of this model. It must have the items added
   * here, which sessions may have seen.
   */
  setOverlay(overlay: Uint8Array | ArrayBuffer): void;

  /** The architecture. */
  readonly config: Config;
  /** The type of the item table. */
  readonly tableDtype: "f32" | "f16" | "int8";
  /** 64 hex digits that identify the model. */
  readonly fingerprint: string;
  /** The type of ids; integer ids beyond 2^53 are bigint. */
  readonly idType: "number" | "string";
  /** Whether it runs on the build with SIMD. Both give the same bits. */
  readonly simd: boolean;
  /**
   * Replays the file's self-test with and without SIMD, as far as this build has it, and compares
   * states, scores and lists bit by bit; a difference throws. Returns the names of what was compared.
   */
  compareIsas(): string[];

  /** Frees the memory once no session is left. May be called again. */
  free(): void;
  [Symbol.dispose](): void;
}

/**
 * One user's history on a model: a state of fixed size. An event costs the same after ten events
 * and after ten million. A method that throws leaves the session unchanged.
 */
export class Session {
  private constructor();

  /** Appends one event. An unknown id throws or is skipped; returns false if it was skipped. */
  append(item: ItemId, options?: AppendOptions): boolean;
  /** Appends events, oldest first, and returns their number. On an error, none is appended. */
  extend(items: Iterable<ItemId>, options?: ExtendOptions): number;

  /** Scores of the given items after the events so far, equal to the scores of topK. */
  score(items: Iterable<ItemId>): Float32Array<ArrayBuffer>;
  /**
   * The hidden vector after the last event: a score is its dot product with the vector of an item.
   * Before the first event it is the model's start vector, or "no-events" is thrown.
   */
  userVector(): Float32Array<ArrayBuffer>;
  /**
   * The top k items, best first; fewer if fewer remain. Seen items are excluded by default, and ties
   * rank in file order.
   */
  topK(k?: number, options?: TopKOptions): Recommendation[];
  /**
   * append and then topK, in one call. If it throws, nothing was appended. If an unknown id is skipped,
   * this is topK.
   */
  step(item: ItemId, k?: number, options?: StepOptions): Recommendation[];
  /** topK as if more events had been appended; changes nothing. */
  peek(items: Iterable<ItemId>, k?: number, options?: PeekOptions): Recommendation[];
  /**
   * The n events without which the item's score falls most, largest drop first; fewer if fewer
   * events raise it. Replays the log, which needs every event, once for each event examined; of more
   * than 256 events, blocks are examined first, and then the events of the best blocks.
   */
  why(item: ItemId, n?: number): Reason[];

  /** Makes the last `depth` events undoable from now on; 0 disables it. Each takes one state: see undoBytes. */
  keepUndo(depth: number): void;
  /** Undoes the last n events, exactly. */
  undo(n?: number): void;
  /** Logs the last events, or all (Infinity). Call before the first event, or forget and why fail. */
  keepLog(capacity: number): void;
  /** The items of the events in the log, oldest first. */
  readonly log: ItemId[];
  /** The kinds of the events in the log, oldest first; empty if the model has no kinds. */
  readonly logKinds: string[];
  /** The times of the events in the log in seconds, oldest first; empty unless the model uses times. */
  readonly logTimes: number[];
  /** Forgets items exactly, as if the session had never seen them. */
  forget(items: Iterable<ItemId>): void;

  /** The session as bytes. They reveal what the user has seen. */
  snapshot(options?: SnapshotOptions): Uint8Array<ArrayBuffer>;
  /**
   * Restores a snapshot of the same model: an "f32" one exactly. The log becomes the snapshot's, which
   * is empty if that session kept none; then forget and why fail. Earlier events cannot be undone.
   */
  restore(snapshot: Uint8Array | ArrayBuffer): void;
  /** Forgets all events. */
  reset(): void;
  /** An independent copy. */
  clone(): Session;

  /** The number of events. */
  readonly events: number;
  /** The distinct items so far, in file order. */
  readonly seen: ItemId[];
  /** Bytes of the state and the seen items. */
  readonly stateBytes: number;
  /** The number of events that can be undone. */
  readonly undoable: number;
  /** Bytes allocated by keepUndo; stateBytes does not include them. */
  readonly undoBytes: number;

  /** Frees the memory. May be called again. */
  free(): void;
  [Symbol.dispose](): void;
}
