import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom, type MillwrightEvent } from "@millwright/contracts";
import { openEventLog, openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";

const script = fileURLToPath(new URL("./fixtures/alert-life.js", import.meta.url));

/** Runs a process that evaluates until it has said something, and then a while longer, and kills it. @returns what it said. */
async function live(path: string, failing: boolean, until: string, longerMs: number): Promise<string> {
  const child = spawn(process.execPath, [script, path, failing ? "failing" : "well"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const heard = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => {
        said += String(chunk);
        if (said.includes(until)) resolve();
      });
    child.on("exit", () => resolve());
  });
  const ended = once(child, "close");
  await heard;
  await new Promise((resolve) => setTimeout(resolve, longerMs));
  child.kill("SIGKILL");
  const [, signal] = (await ended) as [number | null, string | null];
  expect(signal, said).toBe("SIGKILL");
  return said;
}

async function alertsOf(path: string): Promise<readonly MillwrightEvent[]> {
  await using database = await openSqlite(path);
  const events: MillwrightEvent[] = [];
  for await (const { event } of openEventLog(database).read({ types: ["alert.*"] })) events.push(event);
  return events;
}

test(
  "MO-52: what fired when a process was killed is not told again by the next, and its end is, once",
  { timeout: 300_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "millwright-alert-kills-"));
    const path = join(directory, "db");
    const random = createRandom(52);
    try {
      // The endpoint is down, which inhibits that it also errs.
      for (let life = 0; life < 4; life += 1) {
        const said = await live(path, true, "firing endpoint-down", random.next() * 60);
        expect(said).not.toContain("error-rate");
        expect((await alertsOf(path)).map(({ type, data }) => [type, data["name"]])).toEqual([
          ["alert.firing", "endpoint-down"],
        ]);
      }
      // Killed before it could see anything: what fired still does.
      await live(path, true, "open", 0);
      expect(await alertsOf(path)).toHaveLength(1);
      await live(path, false, "firing \n", 60);
      const events = await alertsOf(path);
      expect(events.map(({ type }) => type)).toEqual(["alert.firing", "alert.resolved"]);
      expect(events[1]?.causationid).toBe(events[0]?.id);
      expect(events[0]?.data).toMatchObject({
        severity: "page",
        evidence: { samples: expect.any(Number), model: { version: 3 } },
      });
    } finally {
      await rm(directory, { recursive: true, force: true, maxRetries: 10 });
    }
  },
);
