import { mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { RunId } from "@millwright/contracts";
import { type AppendLog, type LogDurability, openAppendLog, readAppendLog } from "@millwright/storage";
import { decodeNumbers, encodeNumbers } from "@millwright/contracts";
import { journalInvalid } from "../errors.ts";
import type { PlacedEntry, RunEntry, RunStart } from "./run-entries.ts";

/** The first record of a journal. */
export interface JournalHead {
  readonly formatVersion: 1;
  /** Names the journal among all that a run may have. */
  readonly source: string;
  readonly start: RunStart;
}

/** What was logged to one run while no registry was at hand. */
export interface Journal {
  readonly head: JournalHead;
  /** Returns at once unless much waits to be written; what goes wrong is thrown by the next `flush`. */
  add(entry: RunEntry): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

const journalPath = (directory: string, run: RunId): string => join(directory, "runs", run, "journal.log");

export async function createJournal(directory: string, head: JournalHead, durability: LogDurability): Promise<Journal> {
  const path = journalPath(directory, head.start.id);
  await mkdir(dirname(path), { recursive: true });
  const log = await openAppendLog(path);
  await log.append([recordOf(head)], { durability });
  return journalOf(log, head, durability);
}

/** @returns undefined where there is none of the run. */
export async function reopenJournal(
  directory: string,
  run: RunId,
  durability: LogDurability,
): Promise<Journal | undefined> {
  const head = await readHead(directory, run);
  if (head === undefined) return undefined;
  return journalOf(await openAppendLog(journalPath(directory, run)), head, durability);
}

function journalOf(log: AppendLog, head: JournalHead, durability: LogDurability): Journal {
  let failure: unknown;
  let waiting: Promise<void> = Promise.resolve();
  return {
    head,
    add(entry) {
      waiting = log.append([recordOf(entry)], { durability }).catch((error: unknown) => {
        failure ??= error;
      });
    },
    async flush() {
      await waiting;
      const thrown = failure;
      failure = undefined;
      if (thrown !== undefined) throw thrown;
      await log.flush();
    },
    close: async () => log[Symbol.asyncDispose](),
  };
}

/** Runs that have a journal, in no order. */
export async function listJournals(directory: string): Promise<readonly RunId[]> {
  const names = await readdir(join(directory, "runs")).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  });
  return names as RunId[];
}

/** The head of a journal; undefined where there is none, or where its writer was killed before it was written. */
export async function readHead(directory: string, run: RunId): Promise<JournalHead | undefined> {
  for await (const { head } of readJournal(directory, run)) return head;
  return undefined;
}

/** A journal from its first entry on, while another process may be writing it. Throws `REGISTRY_JOURNAL_INVALID`. */
export async function* readJournal(
  directory: string,
  run: RunId,
): AsyncGenerator<{ readonly head: JournalHead; readonly placed: PlacedEntry | undefined }, void, undefined> {
  const path = journalPath(directory, run);
  let head: JournalHead | undefined;
  let position = 0;
  for await (const { bytes } of readAppendLog(path)) {
    const value = parseRecord(path, bytes);
    if (head === undefined) {
      head = headOf(path, value);
      yield { head, placed: undefined };
      continue;
    }
    position += 1;
    yield { head, placed: { position, entry: value as RunEntry } };
  }
}

/** As JSON; numbers that JSON lacks are encoded. */
const recordOf = (value: JournalHead | RunEntry): string =>
  JSON.stringify(encodeNumbers(value as unknown as Parameters<typeof encodeNumbers>[0]));

function parseRecord(path: string, bytes: Uint8Array): unknown {
  try {
    return decodeNumbers(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (error) {
    throw journalInvalid(path, "a record of it is no JSON", error);
  }
}

function headOf(path: string, value: unknown): JournalHead {
  const head = value as Partial<JournalHead> | null;
  if (head?.formatVersion !== 1) {
    const found = JSON.stringify(head?.formatVersion) ?? "none";
    throw journalInvalid(path, `its formatVersion is ${found}, and 1 is known`);
  }
  return head as JournalHead;
}
