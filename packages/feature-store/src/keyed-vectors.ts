import type { Column, FeatureStatus, Histogram, ViewStatus } from "@millwright/contracts";
import type { FeatureView } from "./definition.ts";
import type { BlobReader } from "./entity-blob.ts";
import { timeTooOld } from "./errors.ts";
import type { KeyedView } from "./keyed-view.ts";
import type { OnlineReading } from "./online-view.ts";
import { createPlainColumns } from "./plain-columns.ts";
import { createVectors, servedStatus } from "./read-vectors.ts";
import { decodeSection, floorAt, isDeleteAt, NO_ROWS, readHead } from "./row-section.ts";

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
const MISSING: Served = { status: "missing", ageMs: Number.NaN };

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
function createPlainVectors({ view, layout, defaults }: KeyedView, options: KeyedVectorsOptions): KeyedVectors {
  const { rows, timeUs } = options;
  const columns = createPlainColumns(layout, rows);
  const statuses = createStatuses(view, options);
  const ttlUs = view.ttlMs === undefined ? Number.POSITIVE_INFINITY : view.ttlMs * 1000;
  const serveWithout = (row: number, key: string | undefined, reading: Served): void => {
    columns.set(row, statuses.note(row, key, reading) === "defaulted" ? defaults : []);
  };
  return {
    status: statuses.status,
    addTo: (target) => columns.addTo(target, layout.names),
    take(row, key, blob, section) {
      if (section < 0) return serveWithout(row, key, MISSING);
      const bytes = blob.view;
      const floorUs = floorAt(bytes, section);
      if (timeUs < floorUs) throw timeTooOld(view.name, timeUs / 1000, floorUs / 1000);
      const head = readHead(layout, bytes, section);
      let at = head.textsAt - head.shape.stride;
      // By rank: the last of those that are known by then is the newest.
      while (at >= head.rowsAt && bytes.getFloat64(at, true) > timeUs) at -= head.shape.stride;
      if (at < head.rowsAt) return serveWithout(row, key, MISSING);
      const eventUs = bytes.getFloat64(at, true);
      const ageMs = (timeUs - eventUs) / 1000;
      const expiresUs = bytes.getFloat64(at + 16, true);
      const expires = expiresUs === Number.POSITIVE_INFINITY ? eventUs + ttlUs : expiresUs;
      if (timeUs >= expires) return serveWithout(row, key, { status: "expired", ageMs });
      if (isDeleteAt(bytes, at)) return serveWithout(row, key, { status: "deleted", ageMs });
      const served = statuses.note(row, key, { status: "present", ageMs });
      if (served === "defaulted") columns.set(row, defaults);
      else columns.copy(row, bytes, head, at);
    },
  };
}

/** Of a view with windows the entity's rows are brought back, and read as they are where they are resident. */
function createWindowVectors(keyed: KeyedView, options: KeyedVectorsOptions): KeyedVectors {
  const { view, aggregates, layout } = keyed;
  const { rows, timeUs } = options;
  const vectors = createVectors(view, aggregates.names, rows);
  const statuses = createStatuses(view, options);
  const results = new Float64Array(aggregates.names.length);
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
