import { EventHashes } from "./event-hashes.ts";
import { floorTo } from "./time-window.ts";
import type { PartialKind, PartialText } from "./partial.ts";
import type { WindowValue } from "./value-column.ts";

/** A partial that a view's tiles keep. */
export interface TiledPartial {
  /** Unique in a view: what it is of what, and at which scale. */
  readonly name: string;
  readonly kind: PartialKind<unknown>;
  /** The place of its input; −1 for counts of rows. */
  readonly input: number;
}

/** What the tiles of a view are. */
export interface TilePlan {
  /** All ends of windows in tiles are multiples of it since the epoch. */
  readonly widthUs: number;
  /** How far before a time a tile may start and still count. */
  readonly reachUs: number;
  readonly partials: readonly TiledPartial[];
  /** Whether tiles remember the events that are in them, so that none comes in twice. Default: false. */
  readonly remembers?: boolean | undefined;
}

/** A tile as it is kept on disk. */
export interface TileText {
  readonly tileUs: number;
  readonly widthUs: number;
  /** Times of its first and its last row. */
  readonly firstUs: number;
  readonly lastUs: number;
  /** Rows in it. */
  readonly rows: number;
  /** By the name of the partial. */
  readonly partials: Readonly<Record<string, PartialText>>;
  /** The events in it, where they are remembered: base64 of their hashes. */
  readonly events?: string | undefined;
}

interface Tile {
  readonly startUs: number;
  firstUs: number;
  lastUs: number;
  rows: number;
  readonly states: unknown[];
  readonly events: EventHashes | undefined;
}

/** The rows of one entity that are no longer kept one by one: partials by spans of time of equal length. */
export interface Tiles {
  readonly length: number;
  /** Adds a row, wherever its time falls. */
  add(timeUs: number, valueOf: (input: number) => WindowValue): void;
  /** Remembers an event, by its hash, in the tile that its time falls in. */
  remember(timeUs: number, hash: number): void;
  /** Whether there is a tile that a time falls in. */
  covers(timeUs: number): boolean;
  /** Whether an event is remembered. */
  has(timeUs: number, hash: number): boolean;
  /** Joins a tile that was kept elsewhere. @returns false where it is of other windows, and nothing was added. */
  addText(tile: TileText): boolean;
  /** Adds the states of a partial in [fromUs, toUs) to a list, without tiles all of whose rows are deleted: at `deletedUs` or before. */
  collect(
    partial: number,
    span: { readonly fromUs: number; readonly toUs: number; readonly deletedUs?: number | undefined },
    states: unknown[],
  ): void;
  /** Forgets the tiles that start before a time. */
  dropBefore(timeUs: number): void;
  /** Forgets the tiles all of whose rows are at a time or before it. */
  dropThrough(timeUs: number): void;
  clear(): void;
  /** Whether a tile has rows both before a time and from it on. */
  isCutAt(timeUs: number): boolean;
  /** The tiles all of whose rows are at a time or after it. */
  texts(fromUs: number): IterableIterator<TileText>;
}

export function createTiles(plan: TilePlan): Tiles {
  return new TileLine(plan);
}

class TileLine implements Tiles {
  readonly #widthUs: number;
  readonly #partials: readonly TiledPartial[];
  readonly #remembers: boolean;
  /** By start. */
  #tiles: Tile[] = [];

  constructor({ widthUs, partials, remembers = false }: TilePlan) {
    this.#remembers = remembers;
    this.#widthUs = widthUs;
    this.#partials = partials;
  }

  get length(): number {
    return this.#tiles.length;
  }

  add(timeUs: number, valueOf: (input: number) => WindowValue): void {
    const tile = this.#tileAt(floorTo(timeUs, this.#widthUs));
    extend(tile, { firstUs: timeUs, lastUs: timeUs, rows: 1 });
    this.#partials.forEach(({ kind, input }, index) => {
      const value = input < 0 ? 0 : valueOf(input);
      if (!Number.isNaN(value)) tile.states[index] = kind.update(tile.states[index], value, timeUs);
    });
  }

  remember(timeUs: number, hash: number): void {
    const tile = this.#tileAt(floorTo(timeUs, this.#widthUs));
    extend(tile, { firstUs: timeUs, lastUs: timeUs, rows: 0 });
    tile.events?.add(hash);
  }

  covers(timeUs: number): boolean {
    return this.#found(timeUs) !== undefined;
  }

  has(timeUs: number, hash: number): boolean {
    return this.#found(timeUs)?.events?.has(hash) === true;
  }

  addText(text: TileText): boolean {
    const isOfPlan = this.#partials.every(({ name }) => Object.hasOwn(text.partials, name));
    if (text.widthUs !== this.#widthUs || !isOfPlan) return false;
    const tile = this.#tileAt(text.tileUs);
    extend(tile, text);
    this.#partials.forEach(({ kind, name }, index) => {
      tile.states[index] = kind.merge([tile.states[index], kind.decode(text.partials[name]!)]);
    });
    if (text.events !== undefined) tile.events?.addEncoded(text.events);
    return true;
  }

  collect(
    partial: number,
    { fromUs, toUs, deletedUs = -Infinity }: Parameters<Tiles["collect"]>[1],
    states: unknown[],
  ): void {
    const tiles = this.#tiles;
    for (let at = this.#placeOf(fromUs); at < tiles.length && tiles[at]!.startUs < toUs; at++) {
      if (tiles[at]!.lastUs > deletedUs) states.push(tiles[at]!.states[partial]);
    }
  }

  dropBefore(timeUs: number): void {
    const gone = this.#placeOf(timeUs);
    if (gone > 0) this.#tiles.splice(0, gone);
  }

  dropThrough(timeUs: number): void {
    if (this.#tiles.some(({ lastUs }) => lastUs <= timeUs)) {
      this.#tiles = this.#tiles.filter(({ lastUs }) => lastUs > timeUs);
    }
  }

  clear(): void {
    this.#tiles = [];
  }

  isCutAt(timeUs: number): boolean {
    return this.#tiles.some(({ firstUs, lastUs }) => firstUs < timeUs && lastUs >= timeUs);
  }

  *texts(fromUs: number): IterableIterator<TileText> {
    for (const { startUs, firstUs, lastUs, rows, states, events } of this.#tiles) {
      if (firstUs < fromUs) continue;
      const encoded = this.#partials.map(({ name, kind }, index) => [name, kind.encode(states[index])] as const);
      const text = {
        tileUs: startUs,
        widthUs: this.#widthUs,
        firstUs,
        lastUs,
        rows,
        partials: Object.fromEntries(encoded),
      };
      yield events === undefined ? text : { ...text, events: events.encode() };
    }
  }

  #found(timeUs: number): Tile | undefined {
    const startUs = floorTo(timeUs, this.#widthUs);
    const tile = this.#tiles[this.#placeOf(startUs)];
    return tile?.startUs === startUs ? tile : undefined;
  }

  /** The first tile that does not start before a time. */
  #placeOf(timeUs: number): number {
    let low = 0;
    let high = this.#tiles.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#tiles[middle]!.startUs < timeUs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #tileAt(startUs: number): Tile {
    const tiles = this.#tiles;
    const newest = tiles.at(-1);
    if (newest?.startUs === startUs) return newest;
    const place = this.#placeOf(startUs);
    if (tiles[place]?.startUs !== startUs) {
      const states = this.#partials.map(({ kind }) => kind.empty());
      const events = this.#remembers ? new EventHashes() : undefined;
      tiles.splice(place, 0, { startUs, firstUs: Infinity, lastUs: -Infinity, rows: 0, states, events });
    }
    return tiles[place]!;
  }
}

function extend(tile: Tile, rows: Pick<Tile, "firstUs" | "lastUs" | "rows">): void {
  tile.firstUs = Math.min(tile.firstUs, rows.firstUs);
  tile.lastUs = Math.max(tile.lastUs, rows.lastUs);
  tile.rows += rows.rows;
}
