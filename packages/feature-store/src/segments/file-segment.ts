import { open, type FileHandle } from "node:fs/promises";
import type { Batch, Column, ColumnType } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import { historyCorrupt } from "../errors.ts";
import { indexRuns, type KeyIndex } from "./key-index.ts";
import { runsOf } from "./row-order.ts";
import {
  columnBytes,
  type LoadedSegment,
  type Ranks,
  type Segment,
  type SegmentMarks,
  type SegmentReader,
  wholeColumns,
} from "./segment.ts";
import { columnOver, type SegmentHeader } from "./segment-format.ts";
import { bytesIn, type Read, readPieces } from "./segment-pieces.ts";

/** A segment in a file. What finds entities is in memory; times and features are read as far as they are asked for, until they are held. */
export interface FileSegment extends Segment {
  /** What is in memory in any case. */
  readonly leastBytes: number;
  /** Reads what finds entities. */
  load(): Promise<void>;
}

interface FileFacts {
  readonly path: string;
  readonly header: SegmentHeader;
  /** Where the first section stands. */
  readonly start: number;
  /** The segment that was written, where its columns are in memory. */
  readonly loaded?: LoadedSegment | undefined;
}

const READ_BYTES = 1 << 30;
/** Bytes of the slots of a key in a table that is at most half full, of its hash, and of its place. */
const INDEX_BYTES = 24;

/** The sections that are read in pieces, with their types. */
const columnTypes = (view: FeatureView): Map<string, ColumnType> =>
  new Map([
    ["times", "float64"],
    ...Object.entries(view.features).map(([name, type]): [string, ColumnType] => [`feature/${name}`, type]),
  ]);

export function createFileSegment(view: FeatureView, { path, header, start, loaded }: FileFacts): FileSegment {
  const { rows, sections } = header;
  const types = columnTypes(view);
  const held = new Map<string, Column>(loaded?.columns);
  let found: Finding | undefined = loaded && { index: loaded.index, marks: loaded.marks };
  const isHeld = (): boolean => held.size === types.size;
  const { leastBytes, wholeBytes } = sizesOf(header);
  const finding = (): Finding => {
    if (found === undefined) throw new TypeError("The segment was not loaded.");
    return found;
  };
  const reading = async <Result>(work: (read: Read) => Promise<Result>): Promise<Result> => {
    const handle = await open(path, "r");
    try {
      return await work(readerOf(view, path, { handle, start }));
    } finally {
      await handle.close();
    }
  };
  return {
    rows,
    leastBytes,
    wholeBytes,
    get sizeBytes() {
      const { index, marks } = finding();
      const ofMarks = marks === undefined ? 0 : marks.deleted.byteLength + marks.expires.byteLength;
      return index.sizeBytes + ofMarks + [...held.values()].reduce((sum, each) => sum + columnBytes(each), 0);
    },
    get isHeld() {
      return isHeld();
    },
    get index() {
      return finding().index;
    },
    get marks() {
      return finding().marks;
    },
    async load() {
      found = await reading((read) => readFinding(read, view, header));
    },
    async hold() {
      if (isHeld()) return;
      await reading(async (read) => {
        for (const [name, type] of types) {
          if (!held.has(name)) held.set(name, await readWhole(read, sections, name, { type, length: rows }));
        }
      });
    },
    async open() {
      const handle = await open(path, "r");
      const read = readerOf(view, path, { handle, start });
      const pieces: SegmentReader["pieces"] = (names, starts, ends) =>
        isHeld()
          ? wholeColumns(held, names, { rows, wanted: starts.length })
          : readPieces(read, { types, header }, names, runsOf(starts, ends, rows));
      const close = async (): Promise<void> => await handle.close();
      return { segment: this, ranks: () => readRanks(read, sections), pieces, [Symbol.asyncDispose]: close };
    },
  };
}

/** What is in memory in any case, and with all columns. */
function sizesOf({ sections, entities }: SegmentHeader): { readonly leastBytes: number; readonly wholeBytes: number } {
  const sizeOf = (isWanted: (name: string) => boolean): number =>
    Object.entries(sections).reduce((sum, [name, { sizeBytes }]) => sum + (isWanted(name) ? sizeBytes : 0), 0);
  const found = (name: string): boolean => name.startsWith("key/") || ["offsets", "deleted", "expires"].includes(name);
  const leastBytes = sizeOf(found) + entities * INDEX_BYTES;
  return { leastBytes, wholeBytes: leastBytes + sizeOf((name) => name === "times" || name.startsWith("feature/")) };
}

/** What finds entities. */
interface Finding {
  readonly index: KeyIndex;
  readonly marks: SegmentMarks | undefined;
}

function readerOf(
  view: FeatureView,
  path: string,
  { handle, start }: { readonly handle: FileHandle; readonly start: number },
): Read {
  return async ({ at }, target, from = 0) => {
    for (let done = 0; done < target.length;) {
      const most = Math.min(READ_BYTES, target.length - done);
      const { bytesRead } = await handle.read(target, done, most, start + at + from + done);
      if (bytesRead === 0) throw historyCorrupt(view.name, path, "was cut while it was read");
      done += bytesRead;
    }
  };
}

type Sections = SegmentHeader["sections"];

async function readWhole(
  read: Read,
  sections: Sections,
  name: string,
  { type, length }: { readonly type: ColumnType; readonly length: number },
): Promise<Column> {
  const ofPart = async (part: string): Promise<ArrayBuffer | undefined> => {
    const section = sections[`${name}${part}`];
    return section === undefined ? undefined : await bytesIn(read, section);
  };
  const values = (await ofPart("")) ?? new ArrayBuffer(0);
  return columnOver(type, length, { values, offsets: await ofPart("/offsets"), validity: await ofPart("/validity") });
}

async function readFinding(read: Read, view: FeatureView, { sections, entities }: SegmentHeader): Promise<Finding> {
  const keys: Record<string, Column> = {};
  for (const [name, type] of Object.entries(view.entity.keys)) {
    keys[name] = await readWhole(read, sections, `key/${name}`, { type, length: entities });
  }
  const first: Batch = { length: entities, columns: keys };
  const offsets = new Int32Array(await bytesIn(read, sections["offsets"]!));
  const index = indexRuns(Object.keys(view.entity.keys), first, offsets);
  const deleted = sections["deleted"];
  const marks =
    deleted === undefined
      ? undefined
      : {
          deleted: new Uint8Array(await bytesIn(read, deleted)),
          expires: new Float64Array(await bytesIn(read, sections["expires"]!)),
        };
  return { index, marks };
}

async function readRanks(read: Read, sections: Sections): Promise<Ranks> {
  const created = sections["created"];
  return {
    created: created === undefined ? undefined : new Float64Array(await bytesIn(read, created)),
    sequences: new Float64Array(await bytesIn(read, sections["sequences"]!)),
  };
}
