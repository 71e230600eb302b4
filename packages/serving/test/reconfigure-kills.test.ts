import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom } from "@millwright/contracts";
import { openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";
import { openModelServer } from "@millwright/serving";
import { denseRuntime, packFolder } from "./models.ts";

const script = fileURLToPath(new URL("./fixtures/reload-life.js", import.meta.url));

/** Runs a server until it is killed, some time after it applied so many configurations. @returns what it said. */
async function live(root: string, path: string, configurations: number, afterMs: number): Promise<string> {
  const child = spawn(process.execPath, [script, root, path], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  const applied = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk) => {
      said += String(chunk);
      if (said.split("applied").length > configurations) resolve();
    });
    child.on("exit", () => resolve());
  });
  const ended = once(child, "close");
  await applied;
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  child.kill("SIGKILL");
  const [, signal] = (await ended) as [number | null, string | null];
  expect(signal, said).toBe("SIGKILL");
  return said;
}

test(
  "SV-47: servers that are killed while they are reconfigured leave one whole configuration or the other",
  { timeout: 600_000 },
  async () => {
    const random = createRandom(47);
    await using folder = await packFolder(3);
    const directory = await mkdtemp(join(tmpdir(), "millwright-reload-kills-"));
    const path = join(directory, "db");
    let last = 1;
    try {
      for (let life = 0; life < 5; life += 1) {
        const said = await live(folder.root, path, 1 + (life % 3), random.next() * 60);
        const told = Number(
          said
            .match(/(?:applied|open) (\d+)/g)
            ?.at(-1)
            ?.split(" ")[1] ?? 0,
        );
        await using database = await openSqlite(path);
        const options = { source: folder.source, runtimes: [denseRuntime()], database };
        const variants = { a: { model: "late/1", weight: 1 }, b: { model: "late/1", weight: 1 } };
        const endpoints = { first: { variants, maxBatchRows: 1 }, second: { variants } };
        await using server = await openModelServer({ ...options, endpoints });
        const { number, document, behind } = server.configuration;
        // What it said was applied is; what it was about to apply may be.
        expect([told, told + 1]).toContain(number);
        expect(number).toBeGreaterThanOrEqual(last);
        last = number;
        expect(behind).toBeUndefined();
        const versions = new Set<unknown>();
        for (const endpoint of ["first", "second"])
          for (const variant of ["a", "b"]) {
            const { provenance } = await server.predict(endpoint, { instances: [[1, 2, 3, 4]], variant });
            versions.add(provenance.model.version);
          }
        expect([...versions]).toHaveLength(1);
        const [version] = versions;
        expect(document).toMatchObject({ endpoints: { first: { maxBatchRows: version } } });
        const health = server.health().endpoints.map(({ models }) => models.map(({ weight }) => weight));
        expect(health[0]).toEqual(health[1]);
      }
      expect(last).toBeGreaterThan(8);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
);
