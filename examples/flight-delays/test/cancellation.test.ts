import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { createRandom, type Random } from "@millwright/contracts";
import { openLeaseStore } from "@millwright/storage";
import { expect, test } from "vitest";
import { type Mill, openMill } from "./abort-mill.ts";
import { duckdbOperations, leftovers, type Operation, pureOperations, storageOperations } from "./abort-operations.ts";
import { featureOperations, jobOperations, registryOperations, servingOperations } from "./abort-operations-models.ts";
import { beyond, type Held, heldResources, mostOf } from "./abort-resources.ts";

const total = 1_000;
const lanes = 24;
/** Longest that a call may take to settle once it is aborted, on a machine that does much else. */
const promptMs = 10_000;

interface Outcome {
  readonly operation: Operation;
  readonly number: number;
  readonly aborted: boolean;
  /** How it broke the promise, where it did. */
  readonly problem?: string;
}

const pause = (durationMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, durationMs));

/** The outcome of a promise that must settle within `promptMs` from now. */
async function promptly<Result>(what: string, promise: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not settle within ${promptMs} ms.`)), promptMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Calls the operation and aborts it; it must settle soon, and reject with nothing but the signal's reason. */
async function abortInFlight(operation: Operation, number: number, delayMs: number): Promise<Outcome> {
  const { name, run } = operation;
  const controller = new AbortController();
  const reason = new Error(`abort ${number}`);
  const settled = run(controller.signal, number).then(
    () => ({ operation, number, aborted: false }),
    (error: unknown) => ({
      operation,
      number,
      aborted: error === reason,
      ...(error === reason ? {} : { problem: `${name} rejected with ${inspect(error)}` }),
    }),
  );
  await pause(delayMs);
  controller.abort(reason);
  return promptly(name, settled).catch((error: Error) => ({
    operation,
    number,
    aborted: false,
    problem: error.message,
  }));
}

/** In an order that the seed decides. */
function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, place: random.next() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** Aborts every operation as often as it says, in a random order, many side by side. */
async function abortAll(operations: readonly Operation[], random: Random): Promise<readonly Outcome[]> {
  const calls = shuffled(
    random,
    operations.flatMap((operation) => Array.from({ length: operation.times }, () => operation)),
  );
  expect(calls).toHaveLength(total);
  const outcomes: Outcome[] = [];
  let number = 0;
  const lane = async (): Promise<void> => {
    for (let operation = calls.pop(); operation !== undefined; operation = calls.pop()) {
      number += 1;
      outcomes.push(await abortInFlight(operation, number, random.next() * (operation.withinMs ?? 20)));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return outcomes;
}

/** Every operation once, to its end where it has one: for what is made at first use, and to see that all still works afterwards. */
async function completeAll(operations: readonly Operation[], first: number): Promise<void> {
  for (const [index, operation] of operations.entries()) {
    const { name, run, endless = false } = operation;
    if (endless) expect((await abortInFlight(operation, first + index, 50)).problem).toBeUndefined();
    else await promptly(name, run(new AbortController().signal, first + index));
  }
}

/**
 * SQLite keeps the descriptor of a connection that was closed for the next one, as long as another connection of the process has the file open:
 * the system would drop that one's locks with it. So many are opened here at once as operations may have at once; a connection that was left
 * open would still be seen, by its descriptor of the log.
 */
async function openReaders({ database }: Mill): Promise<void> {
  const rows = () => database.read.selectFrom("millwright_events").selectAll().stream();
  const readers = Array.from({ length: 2 * lanes }, () => rows()[Symbol.asyncIterator]());
  for (const { done } of await Promise.all(readers.map((reader) => reader.next()))) expect(done).toBe(false);
  await Promise.all(readers.map(async (reader) => await reader.return?.()));
}

/** What is held when nothing is under way. */
async function baselineOf(mill: Mill): Promise<Held> {
  await openReaders(mill);
  // A database opens its log a second time when it is first told to wait for the disk, and keeps it: a run's first flush may or may not ask for it.
  await mill.database.sync();
  await pause(500);
  const looks: Held[] = [];
  for (let look = 0; look < 20; look += 1) {
    looks.push(heldResources());
    await pause(10);
  }
  return mostOf(looks);
}

/** Waits until nothing is held beyond the baseline; fails with what still is. */
async function returnTo(baseline: Held): Promise<void> {
  let more = beyond(baseline, heldResources());
  for (let waits = 0; waits < 200 && Object.keys(more).length > 0; waits += 1) {
    await pause(50);
    more = beyond(baseline, heldResources());
  }
  expect(more, "what is held beyond the baseline").toEqual({});
}

/** Who comes next gets every lease, all CPUs and the GPU at once. */
async function takeEverything({ database, jobs, study }: Mill): Promise<void> {
  const rows = await database
    .typed<{ millwright_leases: { name: string } }>()
    .read.selectFrom("millwright_leases")
    .select("name")
    // Of what is open still: the worker of the study that all operations share, and the endpoint's decider.
    .where("name", "not like", `tuner/${study.name}/worker/%`)
    .execute();
  expect(rows.length).toBeGreaterThan(5);
  const next = openLeaseStore(database);
  for (const { name } of rows) {
    const lease = await next.acquire(name, 1_000);
    expect(lease, name).toBeDefined();
    await lease?.release();
  }
  const job = await jobs.launch({
    id: "after",
    run: { module: new URL("./fixtures/endless.job.js", import.meta.url).href, input: "once" },
    resources: { cpus: 4, gpus: 1 },
  });
  expect(await promptly("The job that needs everything", job.result())).toMatchObject({ state: "completed" });
  const running = (await study.trials()).filter(({ state }) => state === "running");
  expect(running).toEqual([]);
}

/** What was aborted left nothing; what was done is there. */
async function checkOutput(output: string, before: ReadonlySet<string>, outcomes: readonly Outcome[]): Promise<void> {
  const forms: Readonly<Record<string, (number: number) => string>> = {
    "duckdb.writeParquet": (number) => `rows-${number}.parquet`,
    "features.history": (number) => `history-${number}.parquet`,
    packModel: (number) => `package-${number}`,
    "tfjs.save": (number) => `layers-${number}`,
  };
  const written = outcomes.filter(({ operation, aborted }) => !aborted && operation.name in forms);
  const expected = written.map(({ operation, number }) => forms[operation.name]?.(number) ?? "");
  const found = (await readdir(output)).filter((name) => !before.has(name));
  expect(found.toSorted()).toEqual(expected.toSorted());
}

test(
  `CT-11: ${total} operations of every package are aborted in flight: handles, child processes, leases, slots and files return to the baseline`,
  { timeout: 600_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "millwright-cancellation-"));
    try {
      await using mill = await openMill(folder);
      await (await mill.jobs.launch({ id: "warm", run: { command: [process.execPath, "-e", "0"] } })).result();
      const operations = [
        pureOperations,
        storageOperations,
        duckdbOperations,
        jobOperations,
        featureOperations,
        registryOperations,
        servingOperations,
      ].flatMap((group) => group(mill));
      await completeAll(operations, total + 1);
      const before = new Set(await readdir(mill.output));
      const baseline = await baselineOf(mill);
      const outcomes = await abortAll(operations, createRandom(20));
      expect(outcomes.flatMap(({ problem }) => problem ?? [])).toEqual([]);
      await returnTo(baseline);
      await takeEverything(mill);
      await checkOutput(mill.output, before, outcomes);
      expect(await leftovers(folder)).toEqual([]);
      expect(await mill.events.verify()).toMatchObject({ broken: undefined });
      // They were in flight: many of those that could have ended were aborted, and those that could not all were.
      const aborted = outcomes.filter(({ aborted: wasAborted }) => wasAborted);
      expect(aborted.length).toBeGreaterThan(total / 3);
      await completeAll(operations, 2 * total);
      await returnTo(baseline);
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  },
);
