import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom } from "@millwright/contracts";
import { openEventLog, openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";
import { openModelServer } from "@millwright/serving";
import { denseRuntime, packFolder } from "./models.ts";

const script = fileURLToPath(new URL("./fixtures/rollout-life.js", import.meta.url));

/** Runs a server until it is killed, some time after it was started or after it opened. @returns what it said. */
async function live(root: string, path: string, afterMs: number, since: "start" | "open"): Promise<string> {
  const child = spawn(process.execPath, [script, root, path], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  const opened = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk) => {
      said += String(chunk);
      if (said.includes("open")) resolve();
    });
    child.stderr.on("data", (chunk) => {
      said += `stderr ${String(chunk)}`;
    });
    child.on("exit", () => resolve());
  });
  const ended = once(child, "close");
  if (since === "open") await opened;
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  child.kill("SIGKILL");
  const [, signal] = (await ended) as [number | null, string | null];
  expect(signal, said).toBe("SIGKILL");
  return said;
}

test(
  "SV-13: servers that are killed at random moments of their deployments strand no traffic: each is taken up, and ends",
  { timeout: 600_000 },
  async () => {
    const kills = 16;
    const random = createRandom(20_241);
    await using folder = await packFolder(3);
    const directory = await mkdtemp(join(tmpdir(), "millwright-kills-"));
    const path = join(directory, "db");
    const states = new Map<string, number>();
    try {
      for (let life = 0; life < kills; life += 1) {
        // One in four dies while it opens.
        const since = life % 4 === 3 ? "start" : "open";
        const said = await live(folder.root, path, random.next() * (since === "open" ? 350 : 900), since);
        expect(said).not.toMatch(/stranded|refused|stderr/);
        const state = said.match(/state (\S+)/g)?.at(-1) ?? "state opening";
        states.set(state, (states.get(state) ?? 0) + 1);
      }
      // Killed in the middle, most of them.
      expect(states.get("state baking") ?? 0, JSON.stringify([...states])).toBeGreaterThanOrEqual(4);
      await using database = await openSqlite(path);
      await using server = await openModelServer({
        source: folder.source,
        runtimes: [denseRuntime()],
        database,
        leaseTtlMs: 150,
        pollMs: 20,
        endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
      });
      const isOver = async (): Promise<boolean> =>
        ["completed", "rolled-back"].includes((await server.status("late"))?.state ?? "");
      await expect.poll(isOver, { timeout: 100_000 }).toBe(true);
      const serving = (await server.status("late"))?.variants.find(({ weight }) => weight === 1)?.model;
      for (let key = 0; key < 100; key += 1) {
        const { provenance } = await server.predict("late", { instances: [[1, 2, 3, 4]], stickyKey: `user ${key}` });
        expect(`late/${provenance.model.version}`).toBe(serving);
      }
      // Every deployment began once and ended once, in the order of the log.
      let running: string | undefined;
      let ended = 0;
      for await (const { event } of openEventLog(database).read({ types: ["deployment.*"] })) {
        const { deploymentId } = event.data as { readonly deploymentId?: string };
        if (event.type === "deployment.endpoint-created") continue;
        if (event.type === "deployment.started") {
          expect(running).toBeUndefined();
          running = deploymentId;
        } else expect(deploymentId).toBe(running);
        if (!["deployment.started", "deployment.baking"].includes(event.type)) {
          running = undefined;
          ended += 1;
        }
      }
      expect(running).toBeUndefined();
      expect(ended).toBeGreaterThanOrEqual(1);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
);
