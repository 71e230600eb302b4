import type { Column, FeatureStatus, Histogram, ViewStatus } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import type { BlobReader } from "./entity-blob.ts";
import type { KeyedView } from "./keyed-view.ts";
import type { OnlineValue } from "../online/online-store.ts";
import type { OnlineReading } from "../online/online-view.ts";
import { createPlainColumns } from "../online/plain-columns.ts";
import { createPlainCursor } from "../online/plain-cursor.ts";
import { createVectors, servedStatus } from "../online/read-vectors.ts";
import { decodeSection, NO_ROWS } from "./row-section.ts";

/** A view's features of all entities asked for, taken entity by entity. */
export interface KeyedVectors {
  /** @param section Where the view's section starts in what the blob shows; −1 for none. */
  take(row: number, key: string | undefined, blob: BlobReader, section: number): void;
  readonly status: ViewStatus;
  /** Puts the columns into a batch's. */
  addTo(target: Record<string, Column>): void;
}

export interface KeyedVectorsOptions {
  readonly rows: number;
  readonly timeUs: number;
  readonly ages: Histogram;
}

export const createKeyedVectors = (keyed: KeyedView, options: KeyedVectorsOptions): KeyedVectors =>
  keyed.isPlain ? createPlainVectors(keyed, options) : createWindowVectors(keyed, options);

type Served = Pick<OnlineReading, "status" | "ageMs">;
/** Null for every feature. */
const NOTHING: readonly OnlineValue[] = [];

interface Statuses {
  readonly status: ViewStatus;
  /** Notes what was read, and says what is served. */
  note(row: number, key: string | undefined, reading: Served): FeatureStatus;
}

function createStatuses(view: FeatureView, { rows, ages }: KeyedVectorsOptions): Statuses {
  const status: FeatureStatus[] = [];
  const ageMs = new Float64Array(rows);
  const labels = { view: view.name };
  return {
    status: { status, ageMs },
    note(row, key, reading) {
      ageMs[row] = reading.ageMs;
      if (!Number.isNaN(reading.ageMs)) ages.observe(reading.ageMs / 1000, labels);
      return (status[row] = servedStatus(view, reading, key));
    },
  };
}

/** Of a view without windows the newest row's features go straight from the entity's bytes into the columns. */
function createPlainVectors(keyed: KeyedView, options: KeyedVectorsOptions): KeyedVectors {
  const { view, layout, defaults } = keyed;
  const { rows, timeUs } = options;
  const columns = createPlainColumns(layout, rows);
  const statuses = createStatuses(view, options);
  const cursor = createPlainCursor(keyed);
  return {
    status: statuses.status,
    addTo: (target) => columns.addTo(target, layout.names),
    take(row, key, blob, section) {
      cursor.move(blob.view, section, timeUs);
      const served = statuses.note(row, key, cursor);
      if (served === "defaulted") columns.set(row, defaults);
      else if (cursor.status === "present") columns.copy(row, blob.view, cursor.head, cursor.at);
      else columns.set(row, NOTHING);
    },
  };
}

/** Of a view with windows the entity's rows are brought back, and read as they are where they are resident. */
function createWindowVectors(keyed: KeyedView, options: KeyedVectorsOptions): KeyedVectors {
  const { view, aggregates, layout } = keyed;
  const { rows, timeUs } = options;
  const vectors = createVectors(view, aggregates, rows);
  const statuses = createStatuses(view, options);
  const results = aggregates.createResults();
  return {
    status: statuses.status,
    addTo: (target) => void Object.assign(target, vectors.columns()),
    take(row, key, blob, section) {
      const kept = section < 0 ? NO_ROWS : decodeSection(layout, key ?? "", blob.view, section);
      const reading = keyed.read(key ?? "", kept, timeUs, results);
      if (statuses.note(row, key, reading) === "defaulted") vectors.standIn(row);
      else vectors.set(row, reading.values, results);
    },
  };
}
