import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom } from "@millwright/contracts";
import { openSqlite } from "@millwright/storage";
import type { JournalEntry } from "@millwright/tuner";
import { openSqlStudyJournal } from "@millwright/tuner/drivers/sql";
import { afterEach, beforeEach, expect, test } from "vitest";

const fixture = fileURLToPath(new URL("fixtures/asha-worker.mjs", import.meta.url));
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millwright-tuner-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const runWorker = (name: string, pauseMs: number) =>
  spawn(process.execPath, [fixture, join(directory, `${name}.db`), join(directory, `${name}.log`), String(pauseMs)], {
    stdio: ["ignore", "pipe", "inherit"],
  });

async function entriesOf(name: string): Promise<readonly JournalEntry[]> {
  await using database = await openSqlite(join(directory, `${name}.db`));
  const journal = await openSqlStudyJournal(database);
  return await journal.read("asha", 0);
}

const reportsOf = (entries: readonly JournalEntry[]): readonly string[] =>
  entries.flatMap((entry) => (entry.kind === "report" ? [`${entry.number}@${entry.step}`] : []));

test(
  "HT-6: killed with SIGKILL again and again, ASHA keeps the schedule of an uninterrupted study and trains no step anew",
  { timeout: 600_000 },
  async () => {
    await once(runWorker("whole", 0), "exit");
    const random = createRandom(11);
    let kills = 0;
    for (;;) {
      const worker = runWorker("killed", 2);
      // After so many steps, and a moment that falls before, in or after the writing of a report.
      let left = kills < 6 ? 3 + Math.floor(20 * random.next()) : Infinity;
      worker.stdout.on("data", (dots: Buffer) => {
        left -= dots.length;
        if (left <= 0) setTimeout(() => worker.kill("SIGKILL"), 6 * random.next());
      });
      const [code] = (await once(worker, "exit")) as [number | null];
      if (code === 0) break;
      kills += 1;
    }
    expect(kills).toBeGreaterThanOrEqual(4);
    const reports = reportsOf(await entriesOf("killed"));
    // The same steps of the same trials in the same order, so the same promotions; each reported once.
    expect(reports).toEqual(reportsOf(await entriesOf("whole")));
    expect(new Set(reports).size).toBe(reports.length);
    // Only a step that was under way at a kill, and not reported yet, is trained again.
    const trained = (await readFile(join(directory, "killed.log"), "utf8")).trim().split("\n");
    expect(trained.length - new Set(trained).size).toBeLessThanOrEqual(kills);
  },
);
