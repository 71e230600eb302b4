import type { FeatureView } from "../definition/definition.ts";
import type { EventWindow, WindowRow } from "./event-window.ts";
import type { OnlineRow, OnlineValue } from "./online-store.ts";

/** What is kept of a row beside its time and inputs. */
export interface Kept {
  readonly createdUs: number;
  readonly values: readonly OnlineValue[];
  readonly expiresUs?: number | undefined;
  readonly isDeleted?: true | undefined;
}

/** Whether a row says that its entity is gone. Logs from before the mark of its own have it after the features. */
export function isDelete(view: FeatureView, { isDeleted, values }: Pick<OnlineRow, "isDeleted" | "values">): boolean {
  if (isDeleted === true) return true;
  return view.deleted !== undefined && values.length > Object.keys(view.features).length && values.at(-1) === true;
}

/** Of the rows of one time, the one created last, and of those the one that came last, or first. */
export function outranking(window: EventWindow, newest: number, ties: FeatureView["ties"]): Kept {
  let best = window.rowAt(newest) as Kept;
  const timeUs = window.timeAt(newest);
  for (let index = newest - 1; index >= 0 && window.timeAt(index) === timeUs; index--) {
    const other = window.rowAt(index) as Kept;
    if (other.createdUs > best.createdUs || (ties === "first" && other.createdUs === best.createdUs)) best = other;
  }
  return best;
}

/** A delete as it is kept elsewhere. */
export const deleteOf = (key: string, timeUs: number): OnlineRow => ({
  key,
  timeUs,
  createdUs: null,
  inputs: [],
  values: [],
  isDeleted: true,
});

/** A row as it is kept elsewhere. */
export function recordOf(key: string, { timeUs, inputs, row }: WindowRow): OnlineRow {
  const { createdUs = Number.NEGATIVE_INFINITY, values = [], expiresUs, isDeleted } = (row ?? {}) as Partial<Kept>;
  return {
    key,
    timeUs,
    createdUs: createdUs === Number.NEGATIVE_INFINITY ? null : createdUs,
    inputs: inputs.map((value) => (Number.isNaN(value) ? null : value)),
    values,
    ...(expiresUs === undefined ? {} : { expiresUs }),
    ...(isDeleted === undefined ? {} : { isDeleted }),
  };
}
