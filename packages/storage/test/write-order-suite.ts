import { AsyncLocalStorage } from "node:async_hooks";
import type { Database } from "@millwright/storage";
import { expect } from "vitest";
import type { Engine, Place } from "./engines.ts";

async function openNumbers(place: Place): Promise<Database> {
  const database = await place.open();
  await database.writeBatch([{ sql: "create table numbers (number integer primary key)" }]);
  return database;
}

const insert = (number: number) => ({ sql: "insert into numbers (number) values (?)", parameters: [number] });
const numbers = async (database: Database): Promise<unknown[]> =>
  (await database.read.selectFrom("numbers").select("number").orderBy("number").execute()).map((row) => row["number"]);

/** In which order writes run, and how they end. */
export function writeOrderSuite(engine: Engine): void {
  const { test } = engine;

  test("writes run in the order they were asked for", async () => {
    await using place = await engine.makePlace();
    await using database = await openNumbers(place);
    const order: number[] = [];
    await Promise.all(
      [0, 1, 2, 3, 4].map((number) =>
        database.write(async ({ sql }) => {
          order.push(number);
          await sql.insertInto("numbers").values({ number }).execute();
          order.push(number);
        }),
      ),
    );
    expect(order).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
  });

  test("a write inside a write is refused, and the outer one goes on", async () => {
    await using place = await engine.makePlace();
    await using database = await openNumbers(place);
    await database.write(async ({ sql }) => {
      await expect(database.write(async () => {})).rejects.toBeInstanceOf(TypeError);
      await expect(database.writeBatch([insert(1)])).rejects.toBeInstanceOf(TypeError);
      await expect(sql.transaction().execute(async () => {})).rejects.toBeInstanceOf(TypeError);
      await sql.insertInto("numbers").values({ number: 2 }).execute();
    });
    expect(await numbers(database)).toEqual([2]);
  });

  test("sql and emit are refused after the write has ended", async () => {
    await using place = await engine.makePlace();
    await using database = await openNumbers(place);
    const scope = await database.write(async (given) => given);
    await expect(scope.sql.selectFrom("numbers").selectAll().execute()).rejects.toBeInstanceOf(TypeError);
    await expect(scope.emit({ source: "test", type: "run.started", data: {} })).rejects.toBeInstanceOf(TypeError);
  });

  test("a callback keeps the asynchronous context of its own caller", async () => {
    await using place = await engine.makePlace();
    await using database = await openNumbers(place);
    const context = new AsyncLocalStorage<string>();
    const seen = await Promise.all(
      ["a", "b", "c"].map((name) => context.run(name, () => database.write(async () => context.getStore()))),
    );
    expect(seen).toEqual(["a", "b", "c"]);
  });

  test("a write that is aborted before it starts never starts", async () => {
    await using place = await engine.makePlace();
    await using database = await openNumbers(place);
    const controller = new AbortController();
    const reason = new Error("enough");
    const first = database.write(async () => controller.abort(reason));
    let started = false;
    const second = database.write(async () => void (started = true), { signal: controller.signal });
    const third = database.writeBatch([insert(3)], { signal: controller.signal });
    await Promise.all([first, expect(second).rejects.toBe(reason), expect(third).rejects.toBe(reason)]);
    expect(started).toBe(false);
    expect(await numbers(database)).toEqual([]);
  });

  test("a write that is aborted on the way is undone, and others go on", async () => {
    await using place = await engine.makePlace();
    await using database = await openNumbers(place);
    const controller = new AbortController();
    const reason = new Error("enough");
    const stuck = database.write(
      async ({ sql }) => {
        await sql.insertInto("numbers").values({ number: 1 }).execute();
        controller.abort(reason);
        await new Promise<never>(() => {});
      },
      { signal: controller.signal },
    );
    const next = database.writeBatch([insert(2)]);
    await expect(stuck).rejects.toBe(reason);
    await next;
    expect(await numbers(database)).toEqual([2]);
  });

  test("closing finishes the writes already asked for and refuses later ones", async () => {
    await using place = await engine.makePlace();
    const database = await openNumbers(place);
    expect(await numbers(database)).toEqual([]);
    const writes = Array.from({ length: 50 }, (_, number) =>
      number % 2 === 0
        ? database.writeBatch([insert(number)])
        : database.write(async ({ sql }) => sql.insertInto("numbers").values({ number }).execute()),
    );
    const closing = database[Symbol.asyncDispose]();
    await expect(database.write(async () => {})).rejects.toMatchObject({ code: "PORT_CLOSED" });
    await expect(database.writeBatch([])).rejects.toMatchObject({ code: "PORT_CLOSED" });
    await expect(numbers(database)).rejects.toMatchObject({ code: "PORT_CLOSED" });
    await Promise.all(writes);
    await closing;
    await database[Symbol.asyncDispose]();
    await using again = await place.open();
    expect(await numbers(again)).toHaveLength(50);
  });

  test("a thousand writes aborted at any moment leave the database usable", async () => {
    await using place = await engine.makePlace();
    await using database = await openNumbers(place);
    const settled = await Promise.allSettled(
      Array.from({ length: 1000 }, async (_, number) => {
        const controller = new AbortController();
        const write = database.write(
          async ({ sql }) => {
            if (number % 3 === 0) controller.abort();
            await sql.insertInto("numbers").values({ number }).execute();
            if (number % 3 === 1) controller.abort();
          },
          { signal: controller.signal },
        );
        if (number % 5 === 0) queueMicrotask(() => controller.abort());
        await write;
      }),
    );
    const kept = settled.flatMap(({ status }, number) => (status === "fulfilled" ? [number] : []));
    expect(kept).toEqual(Array.from({ length: 1000 }, (_, n) => n).filter((n) => n % 3 === 2 && n % 5 !== 0));
    expect(await numbers(database)).toEqual(kept);
  });
}
