import { iteratorDiverged, versionUnsupported } from "../errors.ts";

/** Where an iterator is in its epoch; JSON-safe. */
export interface IteratorState {
  readonly formatVersion: 1;
  readonly epoch: number;
  /** Batches of the epoch that are over, once every worker has come as far as this one. */
  readonly batches: number;
  /** What decides the order, as text: an iterator of another order cannot go on from here. */
  readonly order: Readonly<Record<string, string>>;
}

/** Throws `DATA_VERSION_UNSUPPORTED`, `DATA_ITERATOR_DIVERGED`, a TypeError for what is no state. */
export function checkIteratorState(state: IteratorState, epoch: number, order: Readonly<Record<string, string>>): void {
  if (typeof state !== "object" || state === null || typeof state.order !== "object" || state.order === null)
    throw new TypeError("The state must be what an iterator's state() gave.");
  if (state.formatVersion !== 1) throw versionUnsupported("The iterator's state", state.formatVersion);
  if (!(Number.isSafeInteger(state.batches) && state.batches >= 0))
    throw new TypeError(`The state's batches must be a whole number, not ${String(state.batches)}.`);
  const theirs = { ...state.order, epoch: String(state.epoch) };
  const ours = { ...order, epoch: String(epoch) } as Readonly<Record<string, string>>;
  const differences = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])]
    .filter((name) => (theirs as Readonly<Record<string, string>>)[name] !== ours[name])
    .map(
      (name) =>
        `${name} was ${(theirs as Readonly<Record<string, string>>)[name] ?? "absent"} and is ${ours[name] ?? "absent"}`,
    );
  if (differences.length > 0) throw iteratorDiverged(differences);
}
