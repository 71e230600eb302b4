/** A place from which an entity was taken away. */
export interface ErasedPlace {
  /** A file below the history's folder, with `/`; or `online/` and what the online store keeps its rows under. */
  readonly path: string;
  readonly what: "history" | "segment" | "quarantine" | "training-set" | "online";
  /** Rows of the entity that were there; absent where they are not counted. */
  readonly rows?: number | undefined;
  /** Files of the history are written anew without its rows; segments and training sets go as a whole, since they can be made again. */
  readonly action: "rewritten" | "deleted";
}

/** What was done to forget an entity. JSON-safe, and without the entity's keys. */
export interface ErasureReceipt {
  readonly formatVersion: 1;
  /** The entity's name. */
  readonly entity: string;
  /** SHA-256 of the keys, in the order of the entity's, as a JSON list of texts: who knows the keys can find the receipt. */
  readonly keysDigest: string;
  /** UTC milliseconds. */
  readonly timeMs: number;
  /** Empty where nothing was known of it. */
  readonly places: readonly ErasedPlace[];
}
