import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createBoundedQueue, createBudget, systemClock } from "@millwright/contracts";
import { collect, datasetOf, fitTransforms, profileDataset } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { openDirectoryArtifactStore, openMemoryEventLog, openSqlite } from "@millwright/storage";
import { landed, type Mill } from "./abort-mill.ts";

/** A call that takes a signal. */
export interface Operation {
  readonly name: string;
  /** How often among the thousand. */
  readonly times: number;
  /** Whether it goes on until it is aborted, so that it must reject or end then. Default: false. */
  readonly endless?: boolean;
  /** Longest time before it is aborted, in milliseconds. Default: 20. */
  readonly withinMs?: number;
  /** Calls it; where it gives something to be given back, gives that back. @param number Tells one call from another. */
  readonly run: (signal: AbortSignal, number: number) => Promise<unknown>;
}

export async function walk(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items) continue;
}

async function* slowly(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let piece = 0; piece < 4; piece += 1) {
    yield randomBytes(20_000);
    await systemClock.sleep(2, { signal });
  }
}

/** Opens something and closes it again. */
export async function closing(opening: Promise<AsyncDisposable>): Promise<void> {
  await (await opening)[Symbol.asyncDispose]();
}

/** Waiting, budgets, columns. */
export function pureOperations({ stored }: Mill): readonly Operation[] {
  const plan = [{ kind: "numeric", column: "delay" }] as const;
  const batches = datasetOf([landed(5_000)]);
  return [
    { name: "clock.sleep", times: 16, endless: true, run: (signal) => systemClock.sleep(60_000, { signal }) },
    {
      name: "budget.reserve",
      times: 5,
      run: async (signal) => {
        const reservation = await createBudget({ trials: 1 }).reserve({ trials: 1 }, { signal });
        await reservation.commit({ trials: 1 }, { signal });
      },
    },
    {
      name: "queue.put",
      times: 12,
      endless: true,
      run: async (signal) => {
        const queue = createBoundedQueue<number>(1);
        for (let item = 0; ; item += 1) await queue.put(item, { signal });
      },
    },
    { name: "dataset.digest", times: 8, run: (signal) => datasetOf([landed(1_000)]).digest({ signal }) },
    { name: "collect", times: 12, run: (signal) => collect(stored, { signal }) },
    { name: "fitTransforms", times: 8, run: (signal) => fitTransforms(plan, stored, { signal }) },
    { name: "profileDataset", times: 8, run: (signal) => profileDataset(batches, { signal }) },
  ];
}

/** Records, events, leases, artifacts. */
export function storageOperations(mill: Mill): readonly Operation[] {
  const { folder, database, records, events, leases, artifacts } = mill;
  const key = (number: number): string => `key/${number % 20}`;
  const draft = (number: number) => ({ source: "test", type: "run.logged" as const, subject: `${number}`, data: {} });
  const memory = openMemoryEventLog();
  return [
    { name: "records.write", times: 21, run: (signal, number) => records.write(key(number), number, { signal }) },
    { name: "records.read", times: 16, run: (signal, number) => records.read(key(number), { signal }) },
    { name: "records.delete", times: 8, run: (signal, number) => records.delete(key(number), { signal }) },
    { name: "records.list", times: 16, run: (signal) => walk(records.list("", { signal })) },
    { name: "events.append", times: 23, run: (signal, number) => events.append([draft(number)], { signal }) },
    { name: "events.read", times: 16, run: (signal) => walk(events.read({ signal })) },
    { name: "events.follow", times: 31, endless: true, run: (signal) => walk(events.read({ follow: true, signal })) },
    { name: "memory.follow", times: 16, endless: true, run: (signal) => walk(memory.read({ follow: true, signal })) },
    { name: "events.verify", times: 8, run: (signal) => events.verify({ signal }) },
    {
      name: "leases.acquire",
      times: 31,
      run: async (signal, number) => {
        const lease = await leases.acquire(`lease/${number % 10}`, 60_000, { signal });
        try {
          await lease?.renew({ signal });
        } finally {
          await lease?.release();
        }
      },
    },
    {
      name: "database.write",
      times: 31,
      run: (signal, number) =>
        database.write(
          async ({ emit }) => {
            await emit(draft(number));
            await systemClock.sleep(3, { signal });
            await emit(draft(number));
          },
          { signal },
        ),
    },
    { name: "database.migrate", times: 8, run: (signal) => database.migrate("abort", [], { signal }) },
    {
      name: "openSqlite",
      times: 8,
      run: (signal, number) => closing(openSqlite(join(folder, `other-${number % 3}.db`), { signal })),
    },
    { name: "artifacts.put", times: 31, run: (signal) => artifacts.put(slowly(signal), { signal }) },
    {
      name: "artifacts.open",
      times: 23,
      run: async (signal) => {
        for await (const { digest } of artifacts.list({ signal })) {
          if (await artifacts.has(digest, { signal })) return walk(artifacts.open(digest, { signal }));
        }
      },
    },
    {
      name: "openDirectoryArtifactStore",
      times: 8,
      run: (signal) => openDirectoryArtifactStore(join(folder, "artifacts"), { signal }),
    },
  ];
}

/** Queries, files, tables. */
export function duckdbOperations({ duckdb, folder, output }: Mill): readonly Operation[] {
  const parquet = join(folder, "landed.parquet");
  // More of them at once than DuckDB runs: some are aborted while they wait.
  const endless = "SELECT count(*) FROM range(100000000000) AS a WHERE hash(a.range) = 1";
  return [
    { name: "duckdb.execute", times: 39, endless: true, run: (signal) => duckdb.execute(endless, { signal }) },
    { name: "duckdb.query", times: 19, run: (signal) => walk(duckdb.query("FROM range(1000000)", { signal })) },
    {
      name: "duckdb.scan",
      times: 19,
      run: async (signal) => walk((await duckdb.scan(parquet, { signal })).batches({ batchRows: 1_000, signal })),
    },
    { name: "duckdb.ref", times: 16, run: async (signal) => (await duckdb.scan(parquet, { signal })).ref({ signal }) },
    {
      name: "duckdb.asDataset",
      times: 8,
      run: async (signal) => (await duckdb.asDataset("FROM range(100000)", { signal })).digest({ signal }),
    },
    {
      name: "duckdb.register",
      times: 16,
      run: (signal, number) => closing(duckdb.register(`table_${number}`, datasetOf([landed(5_000)]), { signal })),
    },
    {
      name: "duckdb.writeParquet",
      times: 23,
      run: (signal, number) =>
        duckdb.writeParquet("FROM range(300000)", join(output, `rows-${number}.parquet`), { signal }),
    },
    {
      name: "openDuckDb",
      times: 6,
      run: (signal) => closing(openDuckDb({ spillDirectory: join(folder, "other-spill"), threads: 1, signal })),
    },
  ];
}

/** Names below a folder of what operations write on the way and are to take away. */
export async function leftovers(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => /partial|\.tmp|draft|\.next|artifacts[\\/]temporary[\\/]/.test(name)).toSorted();
}
