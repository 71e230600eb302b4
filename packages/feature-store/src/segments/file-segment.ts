import { open, type FileHandle } from "node:fs/promises";
import type { Batch, Column, ColumnType } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import { historyCorrupt } from "../errors.ts";
import { indexRuns, type KeyIndex } from "./key-index.ts";
import { touchedRuns, type RowRun } from "./row-runs.ts";
import {
  columnBytes,
  type LoadedSegment,
  type Ranks,
  type Segment,
  type SegmentMarks,
  type SegmentReader,
} from "./segment.ts";
import { columnOver, type Section, type SegmentHeader } from "./segment-format.ts";

/** A segment whose columns stand in a file. What finds rows is in memory; columns are read as far as they are asked for, until they are held. */
export interface FileSegment extends Segment {
  /** What it takes without its columns. */
  readonly leastBytes: number;
  /** Reads what finds rows. */
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

type Read = (section: Section, target: Uint8Array, from?: number) => Promise<void>;

export function createFileSegment(view: FeatureView, { path, header, start, loaded }: FileFacts): FileSegment {
  const { rows, sections } = header;
  const columns = new Map<string, Column>(loaded === undefined ? [] : Object.entries(loaded.features));
  let found: Finding | undefined = loaded && { index: loaded.index, times: loaded.times, marks: loaded.marks };
  const sizeOf = (names: readonly string[]): number =>
    names.reduce((sum, name) => sum + (sections[name]?.sizeBytes ?? 0), 0);
  const keyNames = Object.keys(sections).filter((name) => name.startsWith("key/"));
  const leastBytes = sizeOf([...keyNames, "offsets", "times", "deleted", "expires"]) + header.entities * INDEX_BYTES;
  const featureNames = Object.keys(sections).filter((name) => name.startsWith("feature/"));
  const opened = async (): Promise<{ readonly handle: FileHandle; readonly read: Read }> => {
    const handle = await open(path, "r");
    return { handle, read: readerOf(view, path, { handle, start }) };
  };
  const finding = (): Finding => {
    if (found === undefined) throw new TypeError("The segment was not loaded.");
    return found;
  };
  const columnIn = async (read: Read, name: string): Promise<Column> => {
    const column = await readWhole(read, sections, `feature/${name}`, { type: view.features[name]!, length: rows });
    columns.set(name, column);
    return column;
  };
  const isHeld = (): boolean => Object.keys(view.features).every((name) => columns.has(name));
  return {
    rows,
    leastBytes,
    get sizeBytes() {
      const { index, times, marks } = finding();
      const ofMarks = marks === undefined ? 0 : marks.deleted.byteLength + marks.expires.byteLength;
      return (
        index.sizeBytes +
        times.byteLength +
        ofMarks +
        [...columns.values()].reduce((sum, each) => sum + columnBytes(each), 0)
      );
    },
    get isHeld() {
      return isHeld();
    },
    wholeBytes: leastBytes + sizeOf(featureNames),
    get index() {
      return finding().index;
    },
    get times() {
      return finding().times;
    },
    get marks() {
      return finding().marks;
    },
    async load() {
      const { handle, read } = await opened();
      try {
        found = await readFinding(read, view, header);
      } finally {
        await handle.close();
      }
    },
    async hold() {
      if (isHeld()) return;
      const { handle, read } = await opened();
      try {
        for (const name of Object.keys(view.features)) if (!columns.has(name)) await columnIn(read, name);
      } finally {
        await handle.close();
      }
    },
    async open() {
      const segment = this;
      const { handle, read } = await opened();
      return {
        segment,
        ranks: () => readRanks(read, sections),
        columns: walkColumns,
        [Symbol.asyncDispose]: () => handle.close(),
      };
      async function* walkColumns(names: readonly string[], wanted: Int32Array): AsyncGenerator<Column> {
        if (isHeld()) {
          for (const name of names) yield columns.get(name)!;
          return;
        }
        yield* readColumns(read, { view, header }, names, touchedRuns(wanted, rows));
      }
    },
  };
}

/** What finds rows. */
interface Finding {
  readonly index: KeyIndex;
  readonly times: Float64Array;
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

async function bytesIn(read: Read, section: Section): Promise<ArrayBuffer> {
  const buffer = new ArrayBuffer(section.sizeBytes);
  await read(section, new Uint8Array(buffer));
  return buffer;
}

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
  const times = new Float64Array(await bytesIn(read, sections["times"]!));
  const deleted = sections["deleted"];
  const marks =
    deleted === undefined
      ? undefined
      : {
          deleted: new Uint8Array(await bytesIn(read, deleted)),
          expires: new Float64Array(await bytesIn(read, sections["expires"]!)),
        };
  return { index, times, marks };
}

async function readRanks(read: Read, sections: Sections): Promise<Ranks> {
  const created = sections["created"];
  return {
    created: created === undefined ? undefined : new Float64Array(await bytesIn(read, created)),
    sequences: new Float64Array(await bytesIn(read, sections["sequences"]!)),
  };
}

/** Room for one column, of which only what is read takes memory. */
interface Slot {
  readonly values: ArrayBuffer;
  readonly offsets: ArrayBuffer;
  readonly validity: ArrayBuffer;
}

/** Columns one after another, each good at the wanted rows until the next but one; while one is used the next is read. */
async function* readColumns(
  read: Read,
  { view, header: { rows, sections } }: { readonly view: FeatureView; readonly header: SegmentHeader },
  names: readonly string[],
  runs: readonly RowRun[],
): AsyncGenerator<Column> {
  const most = (part: string): number =>
    Math.max(0, ...names.map((name) => sections[`feature/${name}${part}`]?.sizeBytes ?? 0));
  const slotOf = (): Slot => ({
    values: new ArrayBuffer(most("")),
    offsets: new ArrayBuffer(most("/offsets")),
    validity: new ArrayBuffer(most("/validity")),
  });
  const slots = [slotOf(), slotOf()];
  const begin = (at: number): Promise<Column> | undefined => {
    const name = names[at];
    if (name === undefined) return undefined;
    const reading = readRuns(read, sections, `feature/${name}`, {
      type: view.features[name]!,
      rows,
      runs,
      slot: slots[at % 2]!,
    });
    // Where the walk is left early, nobody waits for it.
    reading.catch(() => {});
    return reading;
  };
  let next = begin(0);
  for (let at = 0; at < names.length; at++) {
    const column = await next!;
    next = begin(at + 1);
    try {
      yield column;
    } finally {
      await next?.catch(() => {});
    }
  }
}

interface WantedRuns {
  readonly type: ColumnType;
  readonly rows: number;
  readonly runs: readonly RowRun[];
  readonly slot: Slot;
}

async function readRuns(
  read: Read,
  sections: Sections,
  name: string,
  { type, rows, runs, slot }: WantedRuns,
): Promise<Column> {
  const [values, offsets, validity] = [sections[name]!, sections[`${name}/offsets`], sections[`${name}/validity`]];
  /** @param places By run: from which byte to which. */
  const readIn = async (
    section: Section,
    buffer: ArrayBuffer,
    places: (run: RowRun) => readonly [number, number],
  ): Promise<void> => {
    await Promise.all(
      runs.map(async (run) => {
        const [from, to] = places(run);
        await read(section, new Uint8Array(buffer, from, to - from), from);
      }),
    );
  };
  const bits = ({ first, end }: RowRun): [number, number] => [first >> 3, (end + 7) >> 3];
  if (validity !== undefined) await readIn(validity, slot.validity, bits);
  if (offsets !== undefined) await readIn(offsets, slot.offsets, ({ first, end }) => [first * 4, (end + 1) * 4]);
  const starts = new Int32Array(slot.offsets);
  const width = type === "utf8" || type === "bool" ? 0 : values.sizeBytes / rows;
  await readIn(values, slot.values, (run) => {
    if (type === "bool") return bits(run);
    return type === "utf8" ? [starts[run.first]!, starts[run.end]!] : [run.first * width, run.end * width];
  });
  return columnOver(type, rows, {
    values: slot.values,
    offsets: slot.offsets,
    validity: validity === undefined ? undefined : slot.validity,
  });
}
