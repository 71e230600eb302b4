import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, isFinalJobState } from "@millwright/contracts";
import { openJobRecord } from "./job-record.ts";
import { readLogEvents } from "./log-file.ts";
import { isAlive } from "./process-tree.ts";
import { clearTree } from "./tree-clearing.ts";

/** The folders of a launcher's jobs. */
export const jobFolders = async (directory: string): Promise<readonly string[]> =>
  (await readdir(directory, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(directory, name));

/** Ends what a dead launcher left of a job, and records that the job was interrupted. */
export async function recover(directory: string, clock: Clock): Promise<void> {
  const record = await openJobRecord(directory);
  const last = record?.states.at(-1);
  if (record === undefined || last === undefined) return;
  try {
    if (isFinalJobState(last.state) || last.state === "interrupted" || last.state === "pending") return;
    const mark = record.states.findLast((line) => line.mark !== undefined)?.mark ?? "\0";
    const root = record.process !== undefined && isAlive(record.process) ? record.process.pid : undefined;
    await clearTree(root, { mark, graceMs: record.spec.limits?.graceMs ?? 2_000, clock });
    const state = last.state === "stopping" ? "stopped" : "interrupted";
    const reason = last.state === "stopping" ? (last.reason ?? "stopped") : "The launcher of this job died.";
    const sequence = Math.max(last.sequence, (await readLogEvents(directory)).at(-1)?.sequence ?? 0) + 1;
    const timeMs = clock.nowMs();
    await record.append({ formatVersion: 1, kind: "state", sequence, state, timeMs, reason, attempts: last.attempts });
  } finally {
    await record.close();
  }
}
