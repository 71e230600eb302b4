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
}

/** A tile as it is kept on disk. */
export interface TileText {
  readonly tileUs: number;
  readonly widthUs: number;
  /** Rows in it. */
  readonly rows: number;
  /** By the name of the partial. */
  readonly partials: Readonly<Record<string, PartialText>>;
}

interface Tile {
  readonly startUs: number;
  rows: number;
  readonly states: unknown[];
}

/** The rows of one entity that are no longer kept one by one: partials by spans of time of equal length. */
export interface Tiles {
  readonly length: number;
  /** Adds a row, wherever its time falls. */
  add(timeUs: number, valueOf: (input: number) => WindowValue): void;
  /** Joins a tile that was kept elsewhere. @returns false where it is of other windows, and nothing was added. */
  addText(tile: TileText): boolean;
  /** Adds the states of a partial in [fromUs, toUs) to a list. */
  collect(partial: number, fromUs: number, toUs: number, states: unknown[]): void;
  /** Forgets the tiles that start before a time. */
  dropBefore(timeUs: number): void;
  clear(): void;
  /** The tiles that start at a time or after it. */
  texts(fromUs: number): IterableIterator<TileText>;
}

export function createTiles({ widthUs, partials }: TilePlan): Tiles {
  const tiles: Tile[] = [];
  /** The first tile that does not start before a time. */
  const placeOf = (timeUs: number): number => {
    let low = 0;
    let high = tiles.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tiles[middle]!.startUs < timeUs) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const tileAt = (startUs: number): Tile => {
    const newest = tiles.at(-1);
    if (newest?.startUs === startUs) return newest;
    const place = placeOf(startUs);
    if (tiles[place]?.startUs !== startUs) {
      tiles.splice(place, 0, { startUs, rows: 0, states: partials.map(({ kind }) => kind.empty()) });
    }
    return tiles[place]!;
  };
  return {
    get length() {
      return tiles.length;
    },
    add(timeUs, valueOf) {
      const tile = tileAt(floorTo(timeUs, widthUs));
      tile.rows++;
      partials.forEach(({ kind, input }, index) => {
        const value = input < 0 ? 0 : valueOf(input);
        if (!Number.isNaN(value)) tile.states[index] = kind.update(tile.states[index], value, timeUs);
      });
    },
    addText(text) {
      if (text.widthUs !== widthUs || !partials.every(({ name }) => Object.hasOwn(text.partials, name))) return false;
      const tile = tileAt(text.tileUs);
      tile.rows += text.rows;
      partials.forEach(({ kind, name }, index) => {
        tile.states[index] = kind.merge([tile.states[index], kind.decode(text.partials[name]!)]);
      });
      return true;
    },
    collect(partial, fromUs, toUs, states) {
      for (let at = placeOf(fromUs); at < tiles.length && tiles[at]!.startUs < toUs; at++) {
        states.push(tiles[at]!.states[partial]);
      }
    },
    dropBefore(timeUs) {
      const gone = placeOf(timeUs);
      if (gone > 0) tiles.splice(0, gone);
    },
    clear: () => void (tiles.length = 0),
    *texts(fromUs) {
      for (const { startUs, rows, states } of tiles.slice(placeOf(fromUs))) {
        const encoded = partials.map(({ name, kind }, index) => [name, kind.encode(states[index])] as const);
        yield { tileUs: startUs, widthUs, rows, partials: Object.fromEntries(encoded) };
      }
    },
  };
}
