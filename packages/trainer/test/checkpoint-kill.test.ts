import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createRandom } from "@millwright/contracts";
import { readLatestCheckpoint } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture } from "./setting.ts";

/** Lets a process save checkpoints, kills it outright a moment after its first, and gives the last it called safe. */
async function savesUntilKilled(directory: string, delayMs: number): Promise<number> {
  const child = spawn(process.execPath, [fileURLToPath(fixture("save-in-a-loop.js")), directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  let killing: Promise<void> | undefined;
  for await (const chunk of child.stdout) {
    said += String(chunk);
    killing ??= sleep(delayMs).then(() => void child.kill("SIGKILL"));
  }
  await killing;
  return Number(said.trimEnd().split("\n").at(-1));
}

// Three hundred processes: less than a minute on a free machine with two cores.
test(
  "TR-8: after SIGKILL at 300 random points while saving, restore always succeeds and loses at most one interval",
  { timeout: 300_000 },
  async () => {
    const random = createRandom(8);
    const lane = async (kills: number): Promise<number> => {
      const directory = await mkdtemp(join(tmpdir(), "millwright-checkpoints-"));
      let unsaid = 0;
      for (let kill = 0; kill < kills; kill += 1) {
        const safe = await savesUntilKilled(directory, random.next() * 8);
        const found = await readLatestCheckpoint(directory);
        // What was called safe is there; at most the one that was being saved may be there too, and then it is whole.
        expect([safe, safe + 1]).toContain(found?.sequence);
        if (found?.sequence !== safe) unsaid += 1;
        expect(found?.state).toEqual({ sequence: found?.sequence });
        expect(found?.parts.every(({ data }) => data.every((value) => value === found.sequence))).toBe(true);
      }
      await rm(directory, { recursive: true, force: true });
      return unsaid;
    };
    await Promise.all([lane(100), lane(100), lane(100)]);
  },
);
