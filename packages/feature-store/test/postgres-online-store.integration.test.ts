import pg from "pg";
import { afterAll, beforeAll, expect, expectTypeOf, test, type TestContext } from "vitest";
import { openPostgresOnlineStore, type PostgresPool } from "../src/drivers/postgres.ts";
import { keyedOnlineStoreContract } from "../src/testing/index.ts";
import { hasPostgres, postgresMissing, type PostgresServer, startPostgres } from "./postgres-server.ts";

if (!hasPostgres && process.env["CI"] === "true") throw new Error(postgresMissing);

const postgresTest = (title: string, run: (context: TestContext) => Promise<void>): void =>
  test(title, async (context) => {
    context.skip(!hasPostgres, postgresMissing);
    await run(context);
  });

let server: PostgresServer;
let pool: pg.Pool;
let tables = 0;
const openPool = (settings: pg.PoolConfig = {}): pg.Pool => {
  const made = new pg.Pool({
    host: "127.0.0.1",
    port: server.port,
    user: "millwright",
    database: "postgres",
    ...settings,
  });
  // A crashed server is one of the tests: the pool then connects again.
  made.on("error", () => {});
  return made;
};
const openEmpty = (prepared = true) => openPostgresOnlineStore(pool, { table: `test_${tables++}`, prepared });
const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
const addOne = (_: number, current?: Uint8Array): Uint8Array => Buffer.from(String(Number(textOf(current)) + 1));

beforeAll(async () => {
  if (!hasPostgres) return;
  server = await startPostgres();
  pool = openPool();
}, 300_000);

afterAll(async () => {
  await pool?.end();
  await server?.[Symbol.asyncDispose]();
}, 300_000);

for (const prepared of [true, false]) {
  for (const { name, appliesTo, run } of keyedOnlineStoreContract) {
    postgresTest(`FS-33: PostgreSQL, ${prepared ? "prepared" : "plain"}: ${name}`, async ({ skip }) => {
      await using store = await openEmpty(prepared);
      if (appliesTo?.(store) === false) skip("the store has not what the case is about");
      await run(store);
    });
  }
}

test("the pool of pg has what the driver declares of it", () => {
  expectTypeOf<pg.Pool>().toExtend<PostgresPool>();
});

postgresTest("FS-33: writers of several pools who make the table at once lose nothing", async () => {
  const pools = Array.from({ length: 4 }, () => openPool({ max: 3 }));
  const stores = await Promise.all(pools.map((each) => openPostgresOnlineStore(each, { table: "shared" })));
  const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`);
  // Each writer has an order of its own: those who lock in another's way would wait in a circle.
  await Promise.all(
    Array.from({ length: 80 }, (_, index) =>
      stores[index % 4]!.update("a", index % 2 === 0 ? keys : keys.toReversed(), addOne),
    ),
  );
  expect((await stores[0]!.read("a", keys)).map(textOf)).toEqual(keys.map(() => "80"));
  await Promise.all(pools.map((each) => each.end()));
});

postgresTest("FS-33: an entry that is deleted and put again meanwhile is another one", async () => {
  await using store = await openEmpty();
  await store.update("a", ["x"], () => Buffer.from("old"));
  const seen: string[] = [];
  await store.update("a", ["x"], (_, current) => {
    seen.push(textOf(current));
    return Buffer.from(`${textOf(current)}, changed`);
  });
  await Promise.all([
    ...Array.from({ length: 30 }, () => store.update("a", ["x"], () => null)),
    ...Array.from({ length: 30 }, () => store.update("a", ["x"], (_, current) => current ?? Buffer.from("0"))),
  ]);
  await store.update("a", ["x"], () => Buffer.from("0"));
  await Promise.all(Array.from({ length: 50 }, () => store.update("a", ["x"], addOne)));
  expect(textOf((await store.read("a", ["x"]))[0])).toBe("50");
  expect(seen).toEqual(["old"]);
});

postgresTest("FS-33: 10,000 entries go through one call, and large ones in several statements", async () => {
  await using store = await openEmpty();
  const keys = Array.from({ length: 10_000 }, (_, index) => `key ${index}`);
  await store.update("many", keys, (index) => Buffer.from(String(index)));
  expect((await store.read("many", keys)).map(textOf)).toEqual(keys.map((_, index) => String(index)));
  const large = Array.from({ length: 6 }, (_, index) => Buffer.alloc(9_000_000, index));
  await store.update("large", ["a", "b", "c", "d", "e", "f"], (index) => large[index]!);
  const found = await store.read("large", ["a", "b", "c", "d", "e", "f"]);
  expect(found.map((bytes, index) => large[index]!.equals(bytes!))).toEqual(Array(6).fill(true));
});

postgresTest("FS-33: a crash of the server loses nothing that was acknowledged, and says so meanwhile", async () => {
  await using store = await openEmpty();
  expect(store.capabilities).toEqual({ durable: true, shared: true, synchronous: false });
  let acknowledged = 0;
  let isCrashing = false;
  const failures: unknown[] = [];
  const writing = (async () => {
    while (!isCrashing) {
      try {
        await store.update("a", ["x"], addOne);
        acknowledged++;
      } catch (error) {
        failures.push(error);
        return;
      }
    }
  })();
  while (acknowledged < 20) await new Promise((resolve) => setTimeout(resolve, 5));
  await server.crash();
  isCrashing = true;
  await writing;
  expect(failures).toMatchObject([{ code: "FEATURE_STORE_ONLINE_UNREACHABLE", retryable: true }]);
  const [found] = await store.read("a", ["x"]);
  // The last one may have been kept without an answer.
  expect([acknowledged, acknowledged + 1]).toContain(Number(textOf(found)));
});

postgresTest("FS-33: a server that does not keep what it acknowledged is not called durable", async () => {
  const lax = openPool({ options: "-c synchronous_commit=off" });
  await using store = await openPostgresOnlineStore(lax, { table: `test_${tables++}` });
  expect(store.capabilities.durable).toBe(false);
  await lax.end();
});

postgresTest("FS-33: what the server refuses is told with its words and what to do", async () => {
  await expect(openPostgresOnlineStore(pool, { table: "nowhere.online" })).rejects.toMatchObject({
    code: "FEATURE_STORE_ONLINE_REFUSED",
    message: expect.stringContaining('schema "nowhere" does not exist') as string,
  });
  await pool.query("CREATE TABLE other (id int); CREATE SEQUENCE other_versions");
  await using other = await openPostgresOnlineStore(pool, { table: "other" });
  await expect(other.read("a", ["x"])).rejects.toMatchObject({ code: "FEATURE_STORE_ONLINE_REFUSED" });
  await using kept = await openPostgresOnlineStore(pool, { table: "kept" });
  const readOnly = openPool({ options: "-c default_transaction_read_only=on" });
  await using copy = await openPostgresOnlineStore(readOnly, { table: "kept" });
  await expect(copy.update("a", ["x"], addOne)).rejects.toMatchObject({ code: "FEATURE_STORE_WRITE_FAILED" });
  await readOnly.end();
  const slow = openPool({ options: "-c lock_timeout=50" });
  await using waiting = await openPostgresOnlineStore(slow, { table: "kept" });
  await kept.update("a", ["x"], addOne);
  const holder = await pool.connect();
  await holder.query("BEGIN; SELECT * FROM kept FOR UPDATE");
  await expect(waiting.update("a", ["x"], addOne)).rejects.toMatchObject({ code: "FEATURE_STORE_ONLINE_BUSY" });
  await holder.query("ROLLBACK");
  holder.release();
  await slow.end();
});

test("an object that is no pool, and what is no name, are refused", async () => {
  await expect(openPostgresOnlineStore({} as PostgresPool)).rejects.toThrow("none of `pg`");
  const none = { query: () => Promise.reject(new Error("not asked")) };
  await expect(openPostgresOnlineStore(none, { table: "a; DROP TABLE b" })).rejects.toThrow("no name for a table");
});
