/** A place from which an entity was taken away. */
export interface ErasedPlace {
  /** A file below the history's folder, with `/`; the path of a training set elsewhere; or `online/` and what the online store keeps its rows under. */
  readonly path: string;
  readonly what: "history" | "segment" | "quarantine" | "training-set" | "online";
  /** Rows of the entity that were there; absent where they are not counted. */
  readonly rows?: number | undefined;
  /** Files of the history are written anew without its rows; segments and training sets go as a whole, since they can be made again. */
  readonly action: "rewritten" | "deleted";
}

/** A place that may still have something of the entity. */
export interface LeftPlace {
  /** As in `ErasedPlace`, or what kind of place it is. */
  readonly path: string;
  /** `journal`: rows that another process put and has not written to the history. `incoming`: a batch that is just being written. `outside`: not the store's to change. */
  readonly what: "journal" | "incoming" | "training-set" | "online" | "outside";
  readonly reason: string;
  /** What takes it away there, as a sentence. */
  readonly remedy: string;
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
  /** Places that were not covered, with the reason and the mend. What is outside of the store is always among them. */
  readonly left: readonly LeftPlace[];
  /** Up to which event time its rows are left out from now on, UTC milliseconds; absent with `remember: false`. */
  readonly untilMs?: number | undefined;
}

/** Where the store gives rows to others, and cannot take them back. */
export const OUTSIDE: readonly LeftPlace[] = [
  {
    path: "samples of what was served",
    what: "outside",
    reason: "`sampleServed` gives them to a `sink`, and does not know where that keeps them",
    remedy:
      "Delete there the samples whose `keys` are the entity's; personal keys stand there as HMAC-SHA-256 under `hashKey`.",
  },
  {
    path: "baselines and drift reports",
    what: "outside",
    reason: "`takeBaseline` returns a profile, which may name frequent values of text columns; keys are not among them",
    remedy: "Take them anew where a text feature says who somebody is.",
  },
  {
    path: "dead letters and labels",
    what: "outside",
    reason: "refused records go to `onDeadLetter`, and labels in files of yours are read where they are",
    remedy: "Delete them there.",
  },
  {
    path: "memory of other processes",
    what: "outside",
    reason:
      "a process that has rows in memory, for training sets or in an online store of its own, keeps them until it reads again",
    remedy: "Restart the processes that serve from memory.",
  },
  {
    path: "backups, copies and freed blocks of the disk",
    what: "outside",
    reason: "the store does not know of copies, and file systems do not overwrite what was deleted",
    remedy: "Let backups expire, and encrypt the disk.",
  },
];
