import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom, hasCode, type MillwrightEvent } from "@millwright/contracts";
import { openSqlite, openEventLog } from "@millwright/storage";
import * as tuner from "@millwright/tuner";
import { type Trial, float, openStudy } from "@millwright/tuner";
import { afterEach, beforeEach, expect, test } from "vitest";

const space = { x: float(-5, 5), y: float(-5, 5) };
const fixture = fileURLToPath(new URL("fixtures/study-worker.mjs", import.meta.url));
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millwright-tuner-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const runWorker = (path: string, trials: number, pauseMs: number, sampler = "tpeSampler") =>
  spawn(process.execPath, [fixture, path, String(trials), String(pauseMs), sampler], {
    stdio: ["ignore", "pipe", "inherit"],
  });

/** Those that are there, by the names of what makes them. */
const samplers = ["randomSampler", "tpeSampler", "gpSampler", "autoSampler", "cmaEsSampler"].filter(
  (name) => name in tuner,
);

async function studyOf(path: string): Promise<readonly Trial[]> {
  await using database = await openSqlite(path);
  await using study = await openStudy({
    name: "durable",
    space,
    direction: "minimize",
    seed: 5,
    database,
    leaseMs: 300,
  });
  return study.trials();
}

test.each(samplers)(
  "HT-13: a study killed at random points goes on with the suggestions of an uninterrupted one (%s)",
  async (sampler) => {
    const trials = sampler === "tpeSampler" ? 24 : 16;
    const rounds = sampler === "tpeSampler" ? 5 : 3;
    const whole = join(directory, "whole.db");
    await once(runWorker(whole, trials, 0, sampler), "exit");
    const path = join(directory, "killed.db");
    const random = createRandom(3);
    for (let round = 0; ; round += 1) {
      const worker = runWorker(path, trials, 15, sampler);
      // Kills fall somewhere in the trials of the first rounds: while one is suggested, runs or is written down.
      let killed = round >= rounds;
      worker.stdout.on("data", () => {
        if (killed) return;
        killed = true;
        setTimeout(() => worker.kill("SIGKILL"), 60 * random.next());
      });
      const [code] = (await once(worker, "exit")) as [number | null];
      if (code === 0) break;
      expect(round).toBeLessThan(rounds);
    }
    const killed = await studyOf(path);
    expect(killed).toHaveLength(trials);
    expect(killed.map(({ state, value }) => ({ state, value }))).toEqual(
      (await studyOf(whole)).map(({ state, value }) => ({ state, value })),
    );
    expect(killed.map(({ params }) => params)).toEqual((await studyOf(whole)).map(({ params }) => params));
    expect(killed.some(({ attempts }) => attempts > 1)).toBe(true);
  },
  600_000,
);

test("what began and ended is in the event log, and another space or direction is refused", async () => {
  await using database = await openSqlite(join(directory, "events.db"));
  await using study = await openStudy({ name: "events", space, direction: "minimize", database });
  await study.optimize(({ params }) => params.x, { trials: 2 });
  const events: MillwrightEvent[] = [];
  for await (const { event } of openEventLog(database).read({ types: ["trial.*"] })) events.push(event);
  expect(events.map(({ type, subject }) => `${type} ${subject}`)).toEqual([
    "trial.started events/0",
    "trial.completed events/0",
    "trial.started events/1",
    "trial.completed events/1",
  ]);
  expect(events.map(({ causationid }) => causationid)).toEqual([undefined, events[0]?.id, undefined, events[2]?.id]);
  await expect(openStudy({ name: "events", space, direction: "maximize", database })).rejects.toSatisfy((error) =>
    hasCode(error, "TUNER_STUDY_DIFFERS"),
  );
  const other = openStudy({ name: "events", space: { x: space.x }, direction: "minimize", database });
  await expect(other).rejects.toSatisfy((error) => hasCode(error, "TUNER_STUDY_DIFFERS"));
});

test("a trial that is given back, begun again elsewhere and ended is one chain of events, each of one change", async () => {
  await using database = await openSqlite(join(directory, "chain.db"));
  const open = () => openStudy({ name: "chain", space, direction: "minimize", database, leaseMs: 300 });
  const interrupted = new AbortController();
  {
    await using study = await open();
    const run = study.optimize(
      async ({ signal }) => {
        interrupted.abort(new Error("enough"));
        signal.throwIfAborted();
        return 0;
      },
      { trials: 1, signal: interrupted.signal },
    );
    await expect(run).rejects.toThrow("enough");
  }
  await using study = await open();
  let seen: string | undefined;
  await study.optimize(
    ({ eventId, params }) => {
      seen = eventId;
      return params.x;
    },
    { trials: 1 },
  );
  const events: MillwrightEvent[] = [];
  for await (const { event } of openEventLog(database).read()) events.push(event);
  expect(events.map(({ type }) => type)).toEqual(["trial.started", "trial.paused", "trial.resumed", "trial.completed"]);
  expect(events.map(({ causationid }) => causationid)).toEqual([undefined, ...events.slice(0, 3).map(({ id }) => id)]);
  expect(seen).toBe(events[2]?.id);
  expect((await study.trials())[0]?.eventId).toBe(events[3]?.id);
});

test("values that JSON has no word for survive the database", async () => {
  await using database = await openSqlite(join(directory, "numbers.db"));
  await using study = await openStudy({ name: "numbers", space, direction: "minimize", pruner: false, database });
  const trial = await study.ask();
  await trial.report(0, Number.NaN);
  await trial.report(1, -Infinity);
  await study.tell(trial.number, { state: "completed", value: -0 });
  await using again = await openStudy({ name: "numbers", space, direction: "minimize", database });
  expect((await again.trials())[0]).toMatchObject({
    intermediates: [
      [0, Number.NaN],
      [1, -Infinity],
    ],
    value: -0,
  });
});
