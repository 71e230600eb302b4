import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { openDuckDb } from "../src/index.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** Starts a process that opens the file. @returns what it says first. */
async function openElsewhere(path: string): Promise<{ readonly child: ChildProcess; readonly said: string }> {
  const child = spawn(process.execPath, [fixture("open-database.mjs"), path], { stdio: ["pipe", "pipe", "inherit"] });
  const [said] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { child, said };
}

test("of three processes one has the file; the others are told, and it is free when that one ends", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.db");
  const first = await openElsewhere(path);
  expect(first.said).toBe("opened");
  const second = await openElsewhere(path);
  expect(second.said).toBe("DUCKDB_FILE_LOCKED");
  await expect(openDuckDb({ path })).rejects.toMatchObject({
    code: "DUCKDB_FILE_LOCKED",
    retryable: true,
    message: expect.stringContaining("a.db"),
  });
  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  const third = await openElsewhere(path);
  expect(third.said).toBe("opened");
  third.child.stdin!.end();
  await once(third.child, "exit");
  await using duckdb = await openDuckDb({ path });
  const rows = await columnsOf(duckdb.query("SELECT process FROM seen"));
  expect(rows["process"]).toEqual([BigInt(first.child.pid!), BigInt(third.child.pid!)]);
}, 600_000);

test("a file is opened once in a process, by whatever name, and never in a worker thread", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.db");
  {
    await using duckdb = await openDuckDb({ path });
    await duckdb.execute("CREATE TABLE t AS SELECT 42 AS a");
    await symlink(path, join(directory.path, "b.db"));
    await expect(openDuckDb({ path })).rejects.toMatchObject({ code: "DUCKDB_ALREADY_OPEN" });
    await expect(openDuckDb({ path: join(directory.path, "b.db") })).rejects.toMatchObject({
      code: "DUCKDB_ALREADY_OPEN",
    });
    const worker = new Worker(fixture("open-in-worker.mjs"), { workerData: path });
    const [said] = (await once(worker, "message")) as [string];
    expect(said).toBe("DUCKDB_WORKER_REFUSED");
    await worker.terminate();
  }
  await using again = await openDuckDb({ path });
  expect(await columnsOf(again.query("SELECT a FROM t"))).toEqual({ a: [42] });
});

test("what is registered stays in memory, beside a database file", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.db");
  {
    await using duckdb = await openDuckDb({ path });
    await duckdb.register("passing", await duckdb.asDataset("SELECT 1 AS a"));
    expect(await columnsOf(duckdb.query("SELECT a FROM passing"))).toEqual({ a: [1] });
  }
  await using again = await openDuckDb({ path });
  await expect(again.execute("SELECT a FROM passing")).rejects.toMatchObject({ code: "DUCKDB_SQL_INVALID" });
});

test("a file that is no database is told apart, and may be opened once mended", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.db");
  await writeFile(path, "not a database at all ".repeat(1000));
  await expect(openDuckDb({ path })).rejects.toMatchObject({ code: "DUCKDB_DATABASE_CORRUPT" });
  await rm(path);
  await using duckdb = await openDuckDb({ path });
  await duckdb.execute("CREATE TABLE t AS SELECT 1 AS a");
});
