/// <reference lib="esnext.disposable" />

/** An id as the training data spelled it; a bigint only where no number is exact (past 2^53). */
export type ItemId = number | bigint | string;

/** An item and its score, a float32. */
export interface Recommendation {
  item: ItemId;
  score: number;
}

/** What to do with an id that the model does not know: "error" is the default. */
export interface UnknownOptions {
  unknown?: "error" | "skip";
}

/** Which items may be recommended. */
export interface TopKOptions extends UnknownOptions {
  /** Leave out the items of the history; true by default. */
  excludeSeen?: boolean;
  /** Only these. */
  allow?: Iterable<ItemId>;
  /** None of these. */
  deny?: Iterable<ItemId>;
}

/** How far a file has come, in bytes; total is null where the server does not say. */
export interface Progress {
  loaded: number;
  total: number | null;
}

export interface LoadOptions {
  /** Called for each piece of a file that arrives. */
  onProgress?(progress: Progress): void;
  /**
   * Keep the file in the browser's Cache API, where there is one; true by default. The next load
   * asks the server only whether its file is still the same (ETag or Last-Modified), and does
   * without it where it cannot be reached.
   */
  cache?: boolean;
  /** The build with SIMD, or the one without; by default what the machine can. */
  simd?: boolean;
  /** Recompute the file's fingerprint and replay its self-test; true by default. */
  verify?: boolean;
  /** Stops the load, which then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** What went wrong; more may be added. */
export type RecgrelaErrorCode =
  /** An argument of the wrong type or out of range. */
  | "invalid-argument"
  /** An id that no item of the model has. */
  | "unknown-item"
  /** A question before the first event. */
  | "no-events"
  /** More events to undo than are kept. */
  | "undo-depth"
  /** forget without a log of every event. */
  | "no-log"
  /** Bytes that are no model, or a damaged one. */
  | "invalid-model"
  /** Bytes that are no snapshot, or a damaged one. */
  | "invalid-snapshot"
  /** A snapshot of another model. */
  | "foreign-snapshot"
  /** A file that could not be read. */
  | "fetch-failed"
  /** No memory for it; nothing else is harmed. */
  | "out-of-memory"
  /** A Model or Session that was freed. */
  | "freed"
  /** The engine broke off, and all its models and sessions are lost: load again. */
  | "crashed"
  /** No WebAssembly here, or it is not allowed. */
  | "unsupported"
  | "internal";

/** Everything that this package throws, but for an abort, which throws its signal's reason. */
export class RecgrelaError extends Error {
  private constructor();
  readonly name: "RecgrelaError";
  /** For programs; stable, while messages are not. */
  readonly code: RecgrelaErrorCode;
}

/** A model, which never changes. Sessions keep what they need of it, also after free(). */
export class Model {
  private constructor();

  /**
   * Loads a model file: an address, in Node also a path, or the bytes.
   *
   * Sources are untrusted: what is wrong with one is a RecgrelaError. All memory that it takes is
   * given back by free(), or some time after the last reference is gone.
   */
  static load(
    source: string | URL | Uint8Array | ArrayBuffer,
    options?: LoadOptions,
  ): Promise<Model>;

  /** A user without history. */
  session(): Session;
  /** Whether an item has this id. */
  has(item: unknown): boolean;
  /** The ids of all items, in the order of the file. */
  items(): ItemId[];
  /** The number of items. */
  readonly length: number;
  /** 64 hex digits that tell the model. */
  readonly fingerprint: string;
  /** Of what type ids are; those past 2^53 of a model of numbers are bigint. */
  readonly idType: "number" | "string";
  /** Whether it runs on the build with SIMD. Both give the same bits. */
  readonly simd: boolean;

  /** Gives the memory back, once no session is left; harmless a second time. */
  free(): void;
  [Symbol.dispose](): void;
}

/**
 * One user's history on a model: a state of fixed size. An event costs the same after ten events
 * and after ten million. Whatever throws leaves the session as it was.
 */
export class Session {
  private constructor();

  /** Takes in one event; returns whether it was. An unknown id is an error, or passed over. */
  append(item: ItemId, options?: UnknownOptions): boolean;
  /** Takes in events, the oldest first; returns how many. On an error it is none. */
  extend(items: Iterable<ItemId>, options?: UnknownOptions): number;

  /** Scores of some items after the events so far, the same numbers as topK gives. */
  score(items: Iterable<ItemId>): Float32Array<ArrayBuffer>;
  /**
   * The k best items, the best first; fewer where fewer are left. Items of the history are left
   * out, and equal scores rank in the order of the file.
   */
  topK(k?: number, options?: TopKOptions): Recommendation[];
  /** What topK would give after more events; nothing changes. */
  peek(items: Iterable<ItemId>, k?: number, options?: TopKOptions): Recommendation[];

  /** Makes the last `depth` events undoable, from now on; 0 ends it. Each takes a state's memory. */
  keepUndo(depth: number): void;
  /** Goes back n events, exactly. */
  undo(n?: number): void;
  /** Keeps a log of the last events, from here on; Infinity keeps all, 0 none. forget needs it. */
  keepLog(capacity: number): void;
  /** Forgets items, exactly: the session becomes one that never saw them. */
  forget(items: Iterable<ItemId>): void;

  /** The session as bytes, to be kept wherever you like. They tell what the user has seen. */
  snapshot(): Uint8Array<ArrayBuffer>;
  /** Continues from a snapshot of the same model, exactly. */
  restore(snapshot: Uint8Array | ArrayBuffer): void;
  /** Forgets all events. */
  reset(): void;
  /** A copy, independent from here on. */
  clone(): Session;

  /** Events so far. */
  readonly events: number;
  /** The distinct items so far, in the order of the file. */
  readonly seen: ItemId[];
  /** Bytes that the history takes. */
  readonly stateBytes: number;
  /** How many events can be undone now. */
  readonly undoable: number;

  /** Gives the memory back; harmless a second time. */
  free(): void;
  [Symbol.dispose](): void;
}
