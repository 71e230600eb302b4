import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { folder } from "./transforms-of-files.ts";

const script = fileURLToPath(new URL("./fixtures/transform-child.js", import.meta.url));

/** Runs the job in a process of its own, and kills it a moment after it was told of so many chunks. @returns what it said. */
async function run(
  args: readonly string[],
  kill?: { readonly chunks: number; readonly afterMs: number },
): Promise<string> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  let said = "";
  let killed: Promise<void> | undefined;
  for await (const piece of child.stdout) {
    said += String(piece);
    if (kill !== undefined && said.length > kill.chunks)
      killed ??= setTimeout(kill.afterMs).then(() => void child.kill("SIGKILL"));
  }
  await ended;
  await killed;
  return said;
}

test(
  "BT-7: a job that is killed 50 times writes the same bytes once, does only what was not done, and no output is seen in the making",
  { timeout: 600_000 },
  async () => {
    await using files = await folder();
    const random = createRandom(5);
    const record = (at: number): string => `"${"x".repeat(random.integer(40))}${at % 7 === 0 ? "\n" : ""}",${at}\n`;
    const contents = [8_000, 3, 4_000].map((count) => Array.from({ length: count }, (_, at) => record(at)));
    for (const [at, records] of contents.entries()) await writeFile(join(files.input, `${at}.csv`), records.join(""));
    const whole = contents.map((records) => records.map(({ length }) => `${length}\n`).join(""));
    const log = join(files.root, "invocations.log");
    await writeFile(log, "");
    const args = [files.input, files.output, log];
    let kills = 0;
    while (kills < 50) {
      const said = await run(args, { chunks: random.integer(25), afterMs: random.integer(6) });
      // Not so fast that it was done before: the rest of the kills would kill nothing.
      expect(said).not.toContain("done");
      kills += 1;
      for (const name of await readdir(files.output)) {
        if (!name.endsWith(".out")) continue;
        expect(await readFile(join(files.output, name), "utf8")).toBe(whole[Number(name[0])]);
      }
    }
    const said = await run(args);
    expect(said).toContain("done sha256:");
    const outputs = await Promise.all(contents.map((_, at) => readFile(join(files.output, `${at}.csv.out`), "utf8")));
    expect(outputs).toEqual(whole);
    expect((await readdir(files.output)).toSorted()).toEqual([
      "0.csv.out",
      "1.csv.out",
      "2.csv.out",
      "transform.manifest.json",
    ]);
    const invocations = (await readFile(log, "utf8")).trimEnd().split("\n");
    const chunks = contents.reduce((sum, records) => sum + Math.ceil(records.length / 10), 0);
    // Nothing is missing; what was done again was under way when a kill came: 3 chunks at most each time.
    expect(new Set(invocations).size).toBe(chunks);
    expect(invocations.length).toBeLessThanOrEqual(chunks + 3 * kills);
  },
);
