import type { FeatureStatus } from "@millwright/contracts";
import { timeTooOld } from "../errors.ts";
import type { KeyedView } from "../keyed/keyed-view.ts";
import { floorAt, isDeleteAt, readHead, type SectionHead } from "../keyed/row-section.ts";

/** Stands on the row of an entity that counts at a time, of a view without windows. One is enough for any number of entities. */
export interface PlainCursor {
  status: FeatureStatus;
  /** NaN where there is no row. */
  ageMs: number;
  /** Where the row is; only where the status is `present`. */
  at: number;
  head: SectionHead;
  /** @param section Where the view's section starts; −1 for none. Throws `FEATURE_STORE_TIME_TOO_OLD`, `FEATURE_STORE_DEFINITION_CHANGED`. */
  move(bytes: DataView, section: number, timeUs: number): void;
}

export function createPlainCursor({ view, layout }: KeyedView): PlainCursor {
  const ttlUs = view.ttlMs === undefined ? Number.POSITIVE_INFINITY : view.ttlMs * 1000;
  const cursor: PlainCursor = {
    status: "missing",
    ageMs: Number.NaN,
    at: -1,
    head: { shape: layout.shape, rows: 0, rowsAt: 0, textsAt: 0 },
    move(bytes, section, timeUs) {
      cursor.status = "missing";
      cursor.ageMs = Number.NaN;
      if (section < 0) return;
      const floorUs = floorAt(bytes, section);
      if (timeUs < floorUs) throw timeTooOld(view.name, timeUs / 1000, floorUs / 1000);
      const head = readHead(layout, bytes, section);
      let at = head.textsAt - head.shape.stride;
      // By rank: the last of those that are known by then is the newest.
      while (at >= head.rowsAt && bytes.getFloat64(at, true) > timeUs) at -= head.shape.stride;
      if (at < head.rowsAt) return;
      const eventUs = bytes.getFloat64(at, true);
      const ownExpiryUs = bytes.getFloat64(at + 16, true);
      const expiresUs = ownExpiryUs === Number.POSITIVE_INFINITY ? eventUs + ttlUs : ownExpiryUs;
      cursor.head = head;
      cursor.at = at;
      cursor.ageMs = (timeUs - eventUs) / 1000;
      if (timeUs >= expiresUs) cursor.status = "expired";
      else cursor.status = isDeleteAt(bytes, at) ? "deleted" : "present";
    },
  };
  return cursor;
}
