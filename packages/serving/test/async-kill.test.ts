import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createRandom } from "@millwright/contracts";
import { openEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { openQueue, textOf } from "./async-queue.ts";

const script = fileURLToPath(new URL("./fixtures/async-child.js", import.meta.url));

/** @returns a process that works at the queue, and what waits for its end. */
async function work(options: object) {
  const child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  await Promise.race([once(child.stdout, "data"), ended]);
  return { child, ended };
}

const linesOf = async (path: string): Promise<readonly string[]> =>
  (await readFile(path, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");

test(
  "SV-31: processes that are killed while they work leave each request with one result, one event and one notification id; a request that kills its process three times is dead, and is redriven",
  { timeout: 600_000 },
  async () => {
    const poisoned = {};
    await using queue = await openQueue({}, { endpoints: { late: { maxAttempts: 100 }, poisoned }, leaseMs: 400 });
    const { inference, root } = queue;
    const jobs = await Promise.all(
      Array.from({ length: 60 }, (_, at) => inference.submit("late", { body: `body ${at}` })),
    );
    const random = createRandom(7);
    const options = { root, leaseMs: 400, callMs: 40 };
    let kills = 0;
    const left = async (): Promise<number> => (await inference.backlog("late")).approximateBacklogSize;
    while ((await left()) > 0) {
      const workers = await Promise.all([work(options), work(options)]);
      for (const { child } of workers) {
        await setTimeout(40 + random.integer(180));
        if (kills < 8) {
          child.kill("SIGKILL");
          kills += 1;
        } else while ((await left()) > 0) await setTimeout(50);
      }
      for (const { child, ended } of workers) {
        child.kill("SIGKILL");
        await ended;
      }
    }
    expect(kills).toBe(8);
    const events: string[] = [];
    for await (const { event } of openEventLog(queue.database).read({ types: ["job.inference-ended"] }))
      events.push(event.subject ?? "");
    expect(events.toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
    for (const [at, { id }] of jobs.entries()) {
      const job = await inference.describe(id);
      expect(job?.state).toBe("completed");
      expect(await textOf(inference.result(id))).toMatch(new RegExp(`^answer to body ${at} by \\d+\n$`));
    }
    // One file for each: nothing staged is left over, no input, no failure.
    const files = await readdir(join(root, "payloads", "late"));
    expect(files.filter((name) => name.endsWith(".out"))).toHaveLength(60);
    expect(files.filter((name) => name.endsWith("-error.out"))).toEqual([]);
    // Whoever opens the queue next tells of what nobody was told of.
    const told = new Map<string, Set<string>>();
    const late = await work(options);
    while ((await linesOf(join(root, "notifications.log"))).length < 60) await setTimeout(50);
    late.child.kill("SIGKILL");
    await late.ended;
    for (const line of await linesOf(join(root, "notifications.log"))) {
      const [job = "", id = ""] = line.split(" ");
      told.set(job, (told.get(job) ?? new Set()).add(id));
    }
    expect([...told.values()].every((ids) => ids.size === 1)).toBe(true);
    const again = (await linesOf(join(root, "invocations.log"))).length - 60;
    expect(again).toBeLessThanOrEqual(4 * 2 * (kills + 2));

    const { id } = await inference.submit("poisoned", { body: "poison" });
    for (let deaths = 0; deaths < 3; deaths += 1) {
      const { ended } = await work(options);
      expect((await ended)[1]).toBe("SIGKILL");
    }
    const survivor = await work(options);
    expect(await inference.wait(id)).toMatchObject({ state: "dead", errorCode: "WORKER_LOST" });
    expect(await linesOf(join(root, "poisoned.log"))).toEqual(["poison", "poison", "poison"]);
    survivor.child.kill("SIGKILL");
    await survivor.ended;
    expect(await inference.redrive(id)).toMatchObject({ state: "waiting", attempts: 0 });
  },
);
