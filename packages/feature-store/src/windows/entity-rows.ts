import { createEventWindow, type EventWindow, type EventWindowOptions } from "../event-window.ts";
import { createTiles, type TilePlan, type Tiles } from "./tiles.ts";
import type { WindowValue } from "./value-column.ts";

/** A retraction whose row has not come. */
export interface Retraction {
  readonly timeUs: number;
  readonly inputs: readonly WindowValue[];
}

/** What is kept of an entity: its newer rows one by one, and, where its view has windows in tiles, its older ones as tiles. A row is in one of the two. */
export interface EntityRows {
  readonly rows: EventWindow;
  readonly tiles: Tiles | undefined;
  readonly retractions: readonly Retraction[];
  /** How many things are kept: rows, tiles and retractions. */
  readonly size: number;
  /** As `EventWindow.add`, but a row that has been retracted already is not added. */
  add(timeUs: number, inputs: ArrayLike<WindowValue>, row?: unknown): number;
  /** Takes back a row of this time with these inputs; one that has not come yet, when it comes. A row that is in a tile stays there. */
  retract(timeUs: number, inputs: ArrayLike<WindowValue>): void;
  /** Lets rows before a time go, but always keeps the newest of them; where there are tiles, they pass into those. */
  foldBefore(timeUs: number): void;
  clear(): void;
}

export function createEntityRows(inputs: number, plan: TilePlan | undefined, options: EventWindowOptions): EntityRows {
  const rows = createEventWindow(inputs, options);
  const tiles = plan === undefined ? undefined : createTiles(plan);
  let retractions: Retraction[] = [];
  return {
    rows,
    tiles,
    get retractions() {
      return retractions;
    },
    get size() {
      return rows.length + (tiles?.length ?? 0) + retractions.length;
    },
    add(timeUs, values, row) {
      if (retractions.length > 0) {
        const place = retractions.findIndex((each) => each.timeUs === timeUs && areEqual(each.inputs, values));
        if (place >= 0) {
          retractions.splice(place, 1);
          return -1;
        }
      }
      return rows.add(timeUs, values, row);
    },
    retract(timeUs, values) {
      if (!rows.remove(timeUs, values)) retractions.push({ timeUs, inputs: Array.from(values) });
    },
    foldBefore(timeUs) {
      if (tiles !== undefined) {
        const going = rows.countBefore(timeUs) - 1;
        for (let index = 0; index < going; index++) {
          tiles.add(rows.timeAt(index), (input) => rows.valueAt(input, index));
        }
      }
      rows.dropBefore(timeUs);
      // Their rows would go as well.
      if (retractions.length > 0) retractions = retractions.filter((each) => each.timeUs >= timeUs);
    },
    clear() {
      rows.clear();
      tiles?.clear();
      retractions = [];
    },
  };
}

function areEqual(first: readonly WindowValue[], second: ArrayLike<WindowValue>): boolean {
  return first.every((value, index) => Object.is(value, second[index]));
}
