import { createEventWindow, type EventWindow, type EventWindowOptions } from "../online/event-window.ts";
import type { AggregateValue } from "./statistic.ts";
import { createTiles, type TilePlan, type Tiles, type TileText } from "./tiles.ts";
import type { WindowValue } from "./value-column.ts";

/** A retraction whose row has not come. */
export interface Retraction {
  readonly timeUs: number;
  readonly inputs: readonly WindowValue[];
}

/** An aggregate of a window in tiles, to be given again while nothing in the window changes. */
export interface Answer {
  readonly startUs: number;
  readonly endUs: number;
  readonly value: AggregateValue;
}

/** What is kept of an entity: its newer rows one by one, and, where its view has windows in tiles, its older ones as tiles. A row is in one of the two. */
export interface EntityRows {
  readonly rows: EventWindow;
  readonly tiles: Tiles | undefined;
  readonly retractions: readonly Retraction[];
  /** By aggregate: the last answer over tiles. A change of what an answer was made from takes all of them away. */
  readonly answers: (Answer | undefined)[];
  /** How many things are kept: rows, tiles and retractions. */
  readonly size: number;
  /** As `EventWindow.add`, but a row that has been retracted already is not added. */
  add(timeUs: number, inputs: ArrayLike<WindowValue>, row?: unknown): number;
  /** Takes back a row of this time with these inputs; one that has not come yet, when it comes. A row that is in a tile stays there. */
  retract(timeUs: number, inputs: ArrayLike<WindowValue>): void;
  /** Keeps an answer of an aggregate. */
  remember(aggregate: number, answer: Answer): void;
  /** Joins a tile that was kept elsewhere. @returns false where it does not fit, and nothing was added. */
  addTile(tile: TileText): boolean;
  /** Lets rows before a time go, but always keeps the newest of them; where there are tiles, they pass into those. */
  foldBefore(timeUs: number): void;
  clear(): void;
}

export function createEntityRows(inputs: number, plan: TilePlan | undefined, options: EventWindowOptions): EntityRows {
  return new KeptRows(createEventWindow(inputs, options), plan === undefined ? undefined : createTiles(plan));
}

class KeptRows implements EntityRows {
  readonly rows: EventWindow;
  readonly tiles: Tiles | undefined;
  readonly answers: (Answer | undefined)[] = [];
  retractions: readonly Retraction[] = [];
  /** Where the last of the windows behind the answers ends. */
  #answeredUs = Number.NEGATIVE_INFINITY;

  constructor(rows: EventWindow, tiles: Tiles | undefined) {
    this.rows = rows;
    this.tiles = tiles;
  }

  get size(): number {
    return this.rows.length + (this.tiles?.length ?? 0) + this.retractions.length;
  }

  add(timeUs: number, inputs: ArrayLike<WindowValue>, row?: unknown): number {
    if (this.retractions.length > 0) {
      const place = this.retractions.findIndex((each) => each.timeUs === timeUs && areEqual(each.inputs, inputs));
      if (place >= 0) {
        this.retractions = this.retractions.toSpliced(place, 1);
        return -1;
      }
    }
    this.#forgetAnswers(timeUs);
    return this.rows.add(timeUs, inputs, row);
  }

  retract(timeUs: number, inputs: ArrayLike<WindowValue>): void {
    this.#forgetAnswers(timeUs);
    if (this.rows.remove(timeUs, inputs)) return;
    this.retractions = [...this.retractions, { timeUs, inputs: Array.from(inputs) }];
  }

  remember(aggregate: number, answer: Answer): void {
    this.answers[aggregate] = answer;
    this.#answeredUs = Math.max(this.#answeredUs, answer.endUs);
  }

  addTile(tile: TileText): boolean {
    this.#forgetAnswers(Number.NEGATIVE_INFINITY);
    return this.tiles?.addText(tile) ?? false;
  }

  foldBefore(timeUs: number): void {
    const { rows, tiles } = this;
    if (tiles !== undefined) {
      const going = rows.countBefore(timeUs) - 1;
      for (let index = 0; index < going; index++) {
        tiles.add(rows.timeAt(index), (input) => rows.valueAt(input, index));
      }
    }
    rows.dropBefore(timeUs);
    // Their rows would go as well.
    if (this.retractions.length > 0) this.retractions = this.retractions.filter((each) => each.timeUs >= timeUs);
  }

  clear(): void {
    this.#forgetAnswers(Number.NEGATIVE_INFINITY);
    this.rows.clear();
    this.tiles?.clear();
    this.retractions = [];
  }

  /** A change at a time leaves the answers of windows that end by then. */
  #forgetAnswers(timeUs: number): void {
    if (timeUs >= this.#answeredUs) return;
    this.answers.length = 0;
    this.#answeredUs = Number.NEGATIVE_INFINITY;
  }
}

function areEqual(first: readonly WindowValue[], second: ArrayLike<WindowValue>): boolean {
  return first.every((value, index) => Object.is(value, second[index]));
}
