import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { isAlive } from "../online/directory-lock.ts";
import type { HistoryBatch } from "./history-log.ts";

/** What a writer has from before its first file until its entry is there: its process, its batch number. */
const INCOMING = /^_incoming-(\d+)-(\d+)$/;
/** A folder is a leftover only after this: its process may be one of another machine, whose numbers say nothing here. */
const LEFTOVER_MS = 24 * 3_600_000;

/** Where the files of a batch are written before they are moved to their places; it stays until the batch is committed. */
export const incomingFolder = (directory: string, number: number): string =>
  join(directory, `_incoming-${process.pid}-${number}`);

/** The name of a batch's file, of a day or of what was put aside. */
export const partName = (number: number, file: string): string => `part-${number}-${file}`;

/** Deletes what writers that died long ago left: what they were writing into, and the files that no entry came for. */
export async function deleteLeftovers(
  directory: string,
  nowMs: number,
  committed: () => Promise<readonly HistoryBatch[]>,
): Promise<void> {
  for (const name of await readdir(directory)) {
    const [, pid, number] = INCOMING.exec(name) ?? [];
    if (pid === undefined || (Number(pid) !== process.pid && isAlive(Number(pid)))) continue;
    const changedMs = (await stat(join(directory, name)).catch(() => undefined))?.mtimeMs ?? Number.POSITIVE_INFINITY;
    // A folder with this process's number is of an earlier process, unless it was made since this one began.
    const beganMs = nowMs - process.uptime() * 1_000;
    if (changedMs > Math.min(beganMs, nowMs - LEFTOVER_MS)) continue;
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
