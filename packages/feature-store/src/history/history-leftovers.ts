import { createHash } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { isAlive } from "../online/directory-lock.ts";
import type { HistoryBatch } from "./history-log.ts";

/** What a writer has from before its first file until its entry is there: its process, its batch number, its machine. */
const INCOMING = /^_incoming-(\d+)-(\d+)(?:-([0-9a-f]{8}))?$/;
/** Process numbers say nothing of other machines. */
const MACHINE = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
/** A folder that names no machine, or another one, is a leftover only after this: whether its process is alive cannot be told. */
const LEFTOVER_MS = 24 * 3_600_000;

/** Where the files of a batch are written before they are moved to their places; it stays until the batch is committed. */
export const incomingFolder = (directory: string, number: number): string =>
  join(directory, `_incoming-${process.pid}-${number}-${MACHINE}`);

/** The name of a batch's file, of a day or of what was put aside. */
export const partName = (number: number, file: string): string => `part-${number}-${file}`;

/** Deletes what writers that died on this machine left, or long ago on any: what they were writing into, and the files that no entry came for. */
export async function deleteLeftovers(
  directory: string,
  nowMs: number,
  committed: () => Promise<readonly HistoryBatch[]>,
): Promise<void> {
  for (const name of await readdir(directory)) {
    const [, pid, number, machine] = INCOMING.exec(name) ?? [];
    if (pid === undefined) continue;
    const isOwn = Number(pid) === process.pid;
    if (!isOwn && isAlive(Number(pid)) && (machine === undefined || machine === MACHINE)) continue;
    const isDeadHere = !isOwn && machine === MACHINE;
    const changedMs = (await stat(join(directory, name)).catch(() => undefined))?.mtimeMs ?? Number.POSITIVE_INFINITY;
    // A folder with this process's number is of an earlier process, unless it was made since this one began.
    const beganMs = nowMs - process.uptime() * 1_000;
    if (!isDeadHere && changedMs > Math.min(beganMs, nowMs - LEFTOVER_MS)) continue;
    if (!(await committed()).some((batch) => batch.number === Number(number))) {
      await deleteParts(directory, Number(number));
    }
    await rm(join(directory, name), { recursive: true, force: true });
  }
}

async function deleteParts(directory: string, number: number): Promise<void> {
  const folders = (await readdir(directory)).filter((name) => name.startsWith("ds=") || name === "_quarantine");
  for (const folder of folders) {
    for (const file of await readdir(join(directory, folder)).catch(() => [])) {
      if (file.startsWith(partName(number, ""))) await rm(join(directory, folder, file), { force: true });
    }
  }
}

/** The folders of writers that are at work, as far as can be told. */
export const incomingFolders = async (directory: string): Promise<string[]> =>
  (await readdir(directory).catch(() => [])).filter((name) => INCOMING.test(name));
