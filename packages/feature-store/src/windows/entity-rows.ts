import { createEventWindow, type EventWindow, type EventWindowOptions } from "../online/event-window.ts";
import { hashOfEvent } from "./event-hashes.ts";
import type { AggregateValue } from "./statistic.ts";
import { createTiles, type TilePlan, type Tiles, type TileText } from "./tiles.ts";
import type { WindowValue } from "./value-column.ts";

/** A retraction whose row has not come, or, where events are told apart, any. */
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

/** What tells one event from another, where rows may come more than once. */
export interface EventIdentity {
  /** The inputs that, with the time, name an event. */
  readonly inputs: readonly number[];
  /** Whether a row counts in the place of another one of the same event, which has these inputs and was added as `earlier`. */
  outranks(
    later: { readonly inputs: ArrayLike<WindowValue>; readonly row: unknown },
    earlier: { readonly inputs: readonly WindowValue[]; readonly row: unknown },
  ): boolean;
}

export interface EntityRowsOptions extends EventWindowOptions {
  /** Default: each row is an event of its own. */
  readonly identity?: EventIdentity | undefined;
}

/** What is kept of an entity: its newer rows one by one, and, where its view has windows in tiles, its older ones as tiles. A row is in one of the two. */
export interface EntityRows {
  readonly rows: EventWindow;
  readonly tiles: Tiles | undefined;
  readonly retractions: readonly Retraction[];
  /** When the entity was deleted, in order: those that reads may still come before, and the last one earlier. */
  readonly deletes: readonly number[];
  /** By aggregate: the last answer over tiles. A change of what an answer was made from takes all of them away. */
  readonly answers: (Answer | undefined)[];
  /** How many things are kept: rows, tiles, retractions and deletes. */
  readonly size: number;
  /** As `EventWindow.add`, but a row is not added that was retracted, or is long deleted, or of an event that is there already. */
  add(timeUs: number, inputs: ArrayLike<WindowValue>, row?: unknown): number;
  /**
   * Takes back a row of this time with these inputs; one that has not come yet, when it comes. Where events are told apart, takes back the event for good, however
   * often it comes. A row that is in a tile stays there.
   */
  retract(timeUs: number, inputs: ArrayLike<WindowValue>): void;
  /** Takes away the rows at a time or before it, whenever they come, for reads after it. */
  delete(timeUs: number): void;
  /** The last delete before a time, or also at it; −Infinity where there is none. */
  deletedUs(timeUs: number, isStrict: boolean): number;
  /** Keeps an answer of an aggregate. */
  remember(aggregate: number, answer: Answer): void;
  /** Joins a tile that was kept elsewhere. @returns false where it does not fit, and nothing was added. */
  addTile(tile: TileText): boolean;
  /** Lets rows before a time go, but always keeps the newest of them; where there are tiles, they pass into those. No read may come for an earlier time any more. */
  foldBefore(timeUs: number): void;
  clear(): void;
}

export function createEntityRows(
  inputs: number,
  plan: TilePlan | undefined,
  { identity, ...options }: EntityRowsOptions,
): EntityRows {
  const rows = createEventWindow(inputs, options);
  return new KeptRows(rows, plan === undefined ? undefined : createTiles(plan), identity);
}

class KeptRows implements EntityRows {
  readonly rows: EventWindow;
  readonly tiles: Tiles | undefined;
  readonly answers: (Answer | undefined)[] = [];
  readonly #identity: EventIdentity | undefined;
  retractions: readonly Retraction[] = [];
  deletes: readonly number[] = [];
  /** Rows up to here are deleted for every read that may still come. */
  #goneUs = Number.NEGATIVE_INFINITY;
  /** Where the last of the windows behind the answers ends. */
  #answeredUs = Number.NEGATIVE_INFINITY;

  constructor(rows: EventWindow, tiles: Tiles | undefined, identity: EventIdentity | undefined) {
    this.rows = rows;
    this.tiles = tiles;
    this.#identity = identity;
  }

  get size(): number {
    return this.rows.length + (this.tiles?.length ?? 0) + this.retractions.length + this.deletes.length;
  }

  add(timeUs: number, inputs: ArrayLike<WindowValue>, row?: unknown): number {
    if (timeUs <= this.#goneUs) return -1;
    if (this.#isTakenBack(timeUs, inputs) || this.#isRepeated(timeUs, inputs, row)) return -1;
    this.#forgetAnswers(timeUs);
    return this.rows.add(timeUs, inputs, row);
  }

  retract(timeUs: number, inputs: ArrayLike<WindowValue>): void {
    const identity = this.#identity;
    const isKnown = identity !== undefined && this.#retractionOf(timeUs, inputs) >= 0;
    if (isKnown) return;
    this.#forgetAnswers(timeUs);
    const index = this.rows.find(timeUs, inputs, identity?.inputs);
    if (index >= 0) this.rows.removeAt(index);
    if (index < 0 || identity !== undefined) {
      this.retractions = [...this.retractions, { timeUs, inputs: Array.from(inputs) }];
    }
  }

  delete(timeUs: number): void {
    if (timeUs <= this.#goneUs || this.deletes.includes(timeUs)) return;
    this.#forgetAnswers(timeUs);
    this.deletes = [...this.deletes, timeUs].sort((one, other) => one - other);
  }

  deletedUs(timeUs: number, isStrict: boolean): number {
    const { deletes } = this;
    for (let index = deletes.length - 1; index >= 0; index--) {
      if (isStrict ? deletes[index]! < timeUs : deletes[index]! <= timeUs) return deletes[index]!;
    }
    return Number.NEGATIVE_INFINITY;
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
    if (this.deletes.length > 0) this.#settleDeletes(timeUs);
    const { rows, tiles } = this;
    if (tiles !== undefined) {
      const going = rows.countBefore(timeUs) - 1;
      for (let index = 0; index < going; index++) if (rows.timeAt(index) > this.#goneUs) this.#fold(tiles, index);
    }
    rows.dropBefore(timeUs);
    if (this.retractions.length > 0) this.#settleRetractions(timeUs);
  }

  clear(): void {
    this.#forgetAnswers(Number.NEGATIVE_INFINITY);
    this.rows.clear();
    this.tiles?.clear();
    this.retractions = [];
    this.deletes = [];
    this.#goneUs = Number.NEGATIVE_INFINITY;
  }

  #fold(tiles: Tiles, index: number): void {
    const { rows } = this;
    const timeUs = rows.timeAt(index);
    tiles.add(timeUs, (input) => rows.valueAt(input, index));
    if (this.#identity === undefined) return;
    const named = this.#identity.inputs.map((input) => rows.valueAt(input, index));
    tiles.remember(timeUs, hashOfEvent(timeUs, named));
  }

  /** Of the deletes that no read comes before any more, the last one says all. */
  #settleDeletes(timeUs: number): void {
    const goneUs = this.deletedUs(timeUs, true);
    if (goneUs <= this.#goneUs) return;
    this.#goneUs = goneUs;
    this.deletes = this.deletes.filter((each) => each >= goneUs);
    this.tiles?.dropThrough(goneUs);
  }

  /** Rows of retractions before a time would go as well, where they do not go into a tile. */
  #settleRetractions(timeUs: number): void {
    const identity = this.#identity;
    for (const { timeUs: atUs, inputs } of this.retractions) {
      if (atUs >= timeUs || identity === undefined || atUs <= this.#goneUs) continue;
      const named = identity.inputs.map((input) => inputs[input]!);
      this.tiles?.remember(atUs, hashOfEvent(atUs, named));
    }
    this.retractions = this.retractions.filter((each) => each.timeUs >= timeUs);
  }

  #retractionOf(timeUs: number, inputs: ArrayLike<WindowValue>): number {
    const compared = this.#identity?.inputs;
    return this.retractions.findIndex((each) => each.timeUs === timeUs && areEqual(each.inputs, inputs, compared));
  }

  /** Whether a row was retracted before it came. */
  #isTakenBack(timeUs: number, inputs: ArrayLike<WindowValue>): boolean {
    if (this.retractions.length === 0) return false;
    const place = this.#retractionOf(timeUs, inputs);
    if (place < 0) return false;
    if (this.#identity === undefined) this.retractions = this.retractions.toSpliced(place, 1);
    return true;
  }

  /** Whether a row's event is there, as a row that counts in its place; one that counts no more is taken away. */
  #isRepeated(timeUs: number, inputs: ArrayLike<WindowValue>, row: unknown): boolean {
    const { rows, tiles } = this;
    const identity = this.#identity;
    if (identity === undefined) return false;
    const index =
      rows.length > 0 && rows.timeAt(rows.length - 1) >= timeUs ? rows.find(timeUs, inputs, identity.inputs) : -1;
    if (index >= 0) {
      const earlier = { inputs: Array.from(inputs, (_, input) => rows.valueAt(input, index)), row: rows.rowAt(index) };
      if (!identity.outranks({ inputs, row }, earlier)) return true;
      this.#forgetAnswers(timeUs);
      rows.removeAt(index);
      return false;
    }
    if (tiles?.covers(timeUs) !== true) return false;
    const named = identity.inputs.map((input) => inputs[input]!);
    return tiles.has(timeUs, hashOfEvent(timeUs, named));
  }

  /** A change at a time leaves the answers of windows that end by then. */
  #forgetAnswers(timeUs: number): void {
    if (timeUs >= this.#answeredUs) return;
    this.answers.length = 0;
    this.#answeredUs = Number.NEGATIVE_INFINITY;
  }
}

/** @param compared Which inputs. Default: all. */
function areEqual(
  first: readonly WindowValue[],
  second: ArrayLike<WindowValue>,
  compared: readonly number[] | undefined,
): boolean {
  if (compared === undefined) return first.every((value, index) => Object.is(value, second[index]));
  return compared.every((input) => Object.is(first[input], second[input]));
}
