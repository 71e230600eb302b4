import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Batch } from "@millwright/contracts";
import { asFloat64, columnOf, takeRows } from "@millwright/data";
import { identifier, literal } from "@millwright/duckdb";
import type { FeatureView } from "../definition/definition.ts";
import { entityKeysOf, keyTexts } from "../definition/source-columns.ts";
import { formatTooNew, writeFailure } from "../errors.ts";
import { flushDirectory } from "../history/history-log.ts";

/**
 * Which entities were forgotten and until when, so that older rows of theirs that come again are left out: a replay of a stream, a backfill, the journal of a
 * process that was at work meanwhile. Kept is a hash of the keys with a salt of the store's, in a file an entity: all processes see it at once.
 */
export interface Forgotten {
  /** Up to when rows of an entity are left out, in microseconds; −Infinity where it was not forgotten. */
  untilUs(view: FeatureView, key: string): number;
  /**
   * As `untilUs`, for the changes of one update: looks anew whenever they go on after a pause. Changes without a pause in between are made in one
   * transaction, and who forgets an entity deletes it after that.
   */
  reader(view: FeatureView): (key: string) => number;
  /** SQL that is true of rows of a view that are to be left out; undefined where nobody was forgotten. */
  sqlOf(view: FeatureView): string | undefined;
  /** Rows of a view without those that are to be left out. */
  without(view: FeatureView, batch: Batch): Batch;
  /** Whether somebody was forgotten since it was last asked. */
  hasNews(): boolean;
  /** Leaves out rows of an entity up to a time from now on. Throws `FEATURE_STORE_WRITE_FAILED`. */
  remember(view: FeatureView, key: string, untilUs: number): Promise<void>;
}

const FOLDER = "_forgotten";
const SALT = "salt";
const FORMAT_VERSION = 1;
/** A file system gives two changes that are closer to each other than this the same time, more or less. */
const TICK_MS = 5;

interface Known {
  readonly salt: string;
  /** By hash. */
  readonly untilUs: ReadonlyMap<string, number>;
  /** When the folder changed last. */
  readonly changedNs: bigint;
}

const NOBODY: Known = { salt: "", untilUs: new Map(), changedNs: -1n };

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");
function hashOf(salt: string, { entity }: FeatureView, key: string): string {
  const texts = keyTexts(key, Object.keys(entity.keys).length);
  return digestOf(`${salt}:${entity.name}:${texts.map(digestOf).join("")}`);
}

const untilIn = ({ salt, untilUs }: Known, view: FeatureView, key: string): number =>
  untilUs.size === 0 ? Number.NEGATIVE_INFINITY : (untilUs.get(hashOf(salt, view, key)) ?? Number.NEGATIVE_INFINITY);

/** @param directory The history's folder. */
export function openForgotten(directory: string): Forgotten {
  const folder = join(directory, FOLDER);
  let known = NOBODY;
  let asked = NOBODY;
  const current = (): Known => {
    const changedNs = changedNsOf(folder);
    if (changedNs === undefined) return NOBODY;
    if (changedNs !== known.changedNs) known = readFolder(folder, changedNs);
    return known;
  };
  const untilUs = (view: FeatureView, key: string): number => untilIn(current(), view, key);
  return {
    untilUs,
    reader(view) {
      let seen: Known | undefined;
      return (key) => {
        if (seen === undefined) {
          seen = current();
          queueMicrotask(() => (seen = undefined));
        }
        return untilIn(seen, view, key);
      };
    },
    sqlOf(view) {
      const { salt, untilUs: all } = current();
      if (all.size === 0) return undefined;
      const digests = Object.keys(view.entity.keys).map((name) => `sha256(CAST(${identifier(name)} AS VARCHAR))`);
      const hash = `sha256(concat(${literal(`${salt}:${view.entity.name}:`)}, ${digests.join(", ")}))`;
      const until = Array.from(all, ([each, us]) => `WHEN ${literal(each)} THEN ${us}::BIGINT`);
      // No subquery: in one, DuckDB takes a column `user` for the function of that name.
      return `coalesce(epoch_us(${identifier(view.eventTime)}) <= CASE ${hash} ${until.join(" ")} END, FALSE)`;
    },
    without(view, batch) {
      if (current().untilUs.size === 0) return batch;
      const keys = entityKeysOf(view.entity.keys, batch);
      const times = asFloat64(columnOf(batch, view.eventTime));
      const isKept = (row: number): boolean => keys[row] === undefined || !(times[row]! <= untilUs(view, keys[row]));
      const rows = Int32Array.from({ length: batch.length }, (_, row) => row).filter(isKept);
      return rows.length === batch.length ? batch : takeRows(batch, rows);
    },
    hasNews() {
      const now = current();
      const isNews = now !== asked && now.untilUs.size > 0;
      asked = now;
      return isNews;
    },
    remember: async (view, key, us) => await keep(folder, view, key, us),
  };
}

async function keep(folder: string, view: FeatureView, key: string, untilUs: number): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    const path = join(folder, `${hashOf(await saltOf(folder), view, key)}.json`);
    const before = changedNsOf(folder);
    // Others see by the time of the folder that somebody was forgotten: it must be another one.
    do {
      await writeWhole(path, JSON.stringify({ formatVersion: FORMAT_VERSION, untilUs }));
      if (changedNsOf(folder) === before) await setTimeout(TICK_MS);
    } while (changedNsOf(folder) === before);
    await flushDirectory(folder);
  } catch (error) {
    throw writeFailure(folder, error);
  }
}

const changedNsOf = (folder: string): bigint | undefined =>
  statSync(folder, { throwIfNoEntry: false, bigint: true })?.mtimeNs;

function readFolder(folder: string, changedNs: bigint): Known {
  const untilUs = new Map<string, number>();
  let salt = "";
  for (const name of readdirSync(folder)) {
    if (name === SALT) salt = readFileSync(join(folder, name), "utf8");
    if (!name.endsWith(".json")) continue;
    const path = join(folder, name);
    const entry = JSON.parse(readFileSync(path, "utf8")) as { formatVersion: number; untilUs: number };
    if (entry.formatVersion > FORMAT_VERSION) throw formatTooNew(path, entry.formatVersion, FORMAT_VERSION);
    untilUs.set(name.slice(0, -".json".length), entry.untilUs);
  }
  return { salt, untilUs, changedNs };
}

/** The salt of the folder: of several processes that make one at once, one is kept. */
async function saltOf(folder: string): Promise<string> {
  const path = join(folder, SALT);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  await writeFile(temporary, randomBytes(16).toString("hex"), { flush: true });
  await link(temporary, path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  });
  await rm(temporary, { force: true });
  return await readFile(path, "utf8");
}

async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, text, { flush: true });
  await rename(temporary, path);
}
