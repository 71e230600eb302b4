import { link, mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Digest, JsonObject } from "@millwright/contracts";
import { formatTooNew, historyCorrupt, writeFailure } from "../errors.ts";
import { flushDirectory } from "../history/history-log.ts";
import type { ColumnsMetadata, Metadata } from "../definition/metadata.ts";

/** A definition of a view as it was published. */
export interface PublishedView extends Metadata {
  readonly kind: "view";
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly digest: Digest;
  readonly entity: Metadata & { readonly name: string; readonly keys: Readonly<Record<string, string>> };
  readonly columns: ColumnsMetadata;
  /** By feature: digest of all that decides what it is. */
  readonly features: Readonly<Record<string, Digest>>;
}

/** A definition of a service as it was published. */
export interface PublishedService extends Metadata {
  readonly kind: "service";
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly digest: Digest;
  /** Ids of its views. */
  readonly views: readonly string[];
  /** Its features, as they are called in it. */
  readonly features: readonly string[];
}

/** One thing that happened to the catalogue, oldest first. Times are UTC milliseconds. */
export type CatalogEntry = { readonly formatVersion: 1; readonly timeMs: number } & (
  | PublishedView
  | PublishedService
  /** Which version of a service its bare name means from now on. */
  | { readonly kind: "promoted"; readonly service: string; readonly version: number }
  /** A model version was made from a service's features, and reads them. */
  | { readonly kind: "pinned"; readonly model: string; readonly service: string; readonly digest: Digest }
  | { readonly kind: "unpinned"; readonly model: string }
  | { readonly kind: "deleted"; readonly what: "view" | "service"; readonly id: string }
);

/** What an entry says, before it has a time. */
export type CatalogChange = CatalogEntry extends infer Entry
  ? Entry extends CatalogEntry
    ? Omit<Entry, "formatVersion" | "timeMs">
    : never
  : never;

/** The entries of a catalogue: a file each, numbered from 1, made by one atomic link, so that several processes can write. */
export interface CatalogLog {
  /** All entries, in order. */
  read(): Promise<readonly CatalogEntry[]>;
  /**
   * Appends what `decide` makes of the entries there are; decides again where another process was quicker.
   * @returns the entries, those appended included.
   */
  append(decide: (entries: readonly CatalogEntry[]) => readonly CatalogChange[]): Promise<readonly CatalogEntry[]>;
}

const FOLDER = "_catalog";
const NAME = /^\d{8}\.json$/;

export async function openCatalogLog(root: string, nowMs: () => number): Promise<CatalogLog> {
  const directory = join(root, FOLDER);
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw writeFailure(directory, error);
  });
  const entries: CatalogEntry[] = [];
  const read = async (): Promise<readonly CatalogEntry[]> => {
    const names = (await readdir(directory)).filter((name) => NAME.test(name)).toSorted();
    for (const name of names.slice(entries.length)) {
      const path = join(directory, name);
      entries.push(parseEntry(path, await readFile(path, "utf8")));
    }
    return [...entries];
  };
  return {
    read,
    async append(decide) {
      for (;;) {
        const known = await read();
        const changes = decide(known);
        if (changes.length === 0) return known;
        let number = known.length;
        for (const change of changes) {
          const entry = { formatVersion: 1, timeMs: nowMs(), ...change } as unknown as JsonObject;
          if (!(await writeEntry(directory, ++number, entry))) break;
          if (number === known.length + changes.length) return await read();
        }
      }
    },
  };
}

let temporaries = 0;

/** @returns false where the number is taken. */
async function writeEntry(directory: string, number: number, entry: JsonObject): Promise<boolean> {
  const path = join(directory, `${String(number).padStart(8, "0")}.json`);
  // Several stores of one process may be opened on a folder at once.
  const temporary = `${path}.${process.pid}.${temporaries++}.tmp`;
  try {
    const handle = await open(temporary, "w");
    try {
      await handle.writeFile(JSON.stringify(entry));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw writeFailure(path, error);
  } finally {
    await rm(temporary, { force: true });
  }
  await flushDirectory(directory);
  return true;
}

function parseEntry(path: string, text: string): CatalogEntry {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw historyCorrupt("_catalog", path, "is not JSON", cause);
  }
  const { formatVersion, kind } = (value ?? {}) as Partial<CatalogEntry>;
  if (typeof formatVersion === "number" && formatVersion > 1) throw formatTooNew(path, formatVersion, 1);
  if (formatVersion !== 1 || typeof kind !== "string")
    throw historyCorrupt("_catalog", path, "is no entry of the catalogue");
  return value as CatalogEntry;
}
