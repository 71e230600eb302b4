import { createBlobReader, type BlobReader } from "./entity-blob.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import { entryError, type KeyedView } from "./keyed-view.ts";
import type { OnlineReading } from "../online/online-view.ts";
import { createPlainCursor } from "../online/plain-cursor.ts";
import type { RowLayout } from "../online/row-layout.ts";
import { decodeSection, hasNullsAt, isMasked, NO_ROWS, valueAt, type SectionHead } from "./row-section.ts";
import { writeReading, type ViewNumbers } from "../online/vector-reader.ts";

/** The views of a service as they are read one entity at a time. */
export function keyedNumbers(store: KeyedOnlineStore, views: readonly KeyedView[]): ViewNumbers[] {
  return views.map((keyed) => (keyed.isPlain ? plainNumbers(store, keyed) : windowNumbers(store, keyed)));
}

/** Runs `work` on the section of an entity; errors in its bytes name it. */
function inSection<Result>(
  store: KeyedOnlineStore,
  { group, layout }: KeyedView,
  blob: BlobReader,
  key: string,
  work: (section: number) => Result,
): Result {
  const bytes = store.readNow(group, key);
  try {
    if (bytes === undefined) return work(-1);
    blob.open(bytes, () => `The online entry "${key}" of "${group}"`);
    return work(blob.find(layout.mark));
  } catch (error) {
    throw entryError(error, group, key);
  }
}

function plainNumbers(store: KeyedOnlineStore, keyed: KeyedView): ViewNumbers {
  const blob = createBlobReader();
  const cursor = createPlainCursor(keyed);
  return {
    view: keyed.view,
    look(key, timeUs) {
      inSection(store, keyed, blob, key, (section) => cursor.move(blob.view, section, timeUs));
      return cursor;
    },
    write: (target, at) => writeNumbers(keyed.layout, blob.view, cursor.head, cursor.at, target, at),
  };
}

function windowNumbers(store: KeyedOnlineStore, keyed: KeyedView): ViewNumbers {
  const blob = createBlobReader();
  const results = keyed.aggregates.createResults();
  let found: OnlineReading;
  return {
    view: keyed.view,
    look(key, timeUs) {
      const kept = inSection(store, keyed, blob, key, (section) =>
        section < 0 ? NO_ROWS : decodeSection(keyed.layout, key, blob.view, section),
      );
      return (found = keyed.read(key, kept, timeUs, results));
    },
    write: (target, at) => writeReading(found, keyed.layout.types.length, results, target, at),
  };
}

/** Writes a kept row's features. */
function writeNumbers(
  { runs, types, offsets }: RowLayout,
  view: DataView<ArrayBufferLike>,
  { shape, textsAt }: SectionHead,
  row: number,
  target: Float64Array,
  at: number,
): void {
  const start = row + shape.valuesAt;
  for (let index = 0; index < runs.length; index++) {
    const { type, from, to: end } = runs[index]!;
    const to = Math.min(end, shape.values);
    if (type === "float32") {
      for (let i = from; i < to; i++) target[at + i] = view.getFloat32(start + offsets[i]!, true);
    } else if (type === "float64") {
      for (let i = from; i < to; i++) target[at + i] = view.getFloat64(start + offsets[i]!, true);
    } else {
      for (let i = from; i < to; i++) target[at + i] = Number(valueAt(type, view, start + offsets[i]!, textsAt));
    }
  }
  // Rows from before the view had the later features.
  target.fill(Number.NaN, at + shape.values, at + types.length);
  if (!hasNullsAt(view, row)) return;
  for (let i = 0; i < shape.values; i++) if (isMasked(view, row, shape.inputs + i)) target[at + i] = Number.NaN;
}
