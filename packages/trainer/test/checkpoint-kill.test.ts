import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createRandom } from "@millwright/contracts";
import { readLatestCheckpoint } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture } from "./setting.ts";

/**
 * The compiled module that saves, with nothing beside it: of what it imports only the error class, so that a process is up in a third of the
 * time that the whole packages take.
 */
async function leanModule(folder: string): Promise<string> {
  const errorClass = import.meta.resolve("@millwright/contracts").replace(/index\.js$/, "error.js");
  for (const file of ["checkpoint-file.js", "errors.js"]) {
    const text = await readFile(new URL(`../dist/${file}`, import.meta.url), "utf8");
    await writeFile(join(folder, file), text.replaceAll('"@millwright/contracts"', JSON.stringify(errorClass)));
  }
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  return pathToFileURL(join(folder, "checkpoint-file.js")).href;
}

/** Lets a process save checkpoints, kills it outright a moment after its first, and gives the last it called safe. */
async function savesUntilKilled(module: string, directory: string, delayMs: number): Promise<number> {
  const child = spawn(process.execPath, [fileURLToPath(fixture("save-in-a-loop.js")), module, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let said = "";
  let killing: Promise<void> | undefined;
  for await (const chunk of child.stdout) {
    said += String(chunk);
    killing ??= sleep(delayMs).then(() => void child.kill("SIGKILL"));
  }
  await killing;
  expect(await exited).toEqual([null, "SIGKILL"]);
  return Number(said.trimEnd().split("\n").at(-1));
}

// Three hundred processes: some twenty seconds on a free machine with two cores.
test(
  "TR-8: after SIGKILL at 300 random points while saving, restore always succeeds and loses at most one interval",
  { timeout: 600_000 },
  async () => {
    const random = createRandom(8);
    const folder = await mkdtemp(join(tmpdir(), "millwright-checkpoints-"));
    const module = await leanModule(folder);
    const lane = async (name: string, kills: number): Promise<void> => {
      const directory = join(folder, name);
      for (let kill = 0; kill < kills; kill += 1) {
        const safe = await savesUntilKilled(module, directory, random.next() * 8);
        const found = await readLatestCheckpoint(directory);
        // What was called safe is there; at most the one that was being saved may be there too, and then it is whole.
        expect([safe, safe + 1]).toContain(found?.sequence);
        expect(found?.state).toEqual({ sequence: found?.sequence });
        expect(found?.parts.every(({ data }) => data.every((value) => value === found.sequence))).toBe(true);
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, index) => lane(`lane-${index}`, 50)));
    await rm(folder, { recursive: true, force: true });
  },
);
