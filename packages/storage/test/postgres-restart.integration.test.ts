import { type EventDraft, hasCode, isMillwrightError } from "@millwright/contracts";
import { type Database, openEventLog } from "@millwright/storage";
import { expect } from "vitest";
import { postgresEngine } from "./engines.ts";

const postgres = postgresEngine("fsync = off");

interface Numbers {
  // No key: a write that was done twice would stand there twice.
  numbers: { number: number; writer: string };
}

type Writes = Database<Numbers>;

/** Does it until it is done, as a caller who knows the codes does. @returns how often it was not. */
async function untilDone(
  call: () => Promise<unknown>,
  isDone: () => Promise<boolean>,
  seen: Map<string, number>,
): Promise<void> {
  for (;;) {
    try {
      await call();
      return;
    } catch (error) {
      if (!isMillwrightError(error)) throw error;
      seen.set(error.code, (seen.get(error.code) ?? 0) + 1);
      if (hasCode(error, "STORAGE_COMMIT_UNKNOWN")) {
        let done: boolean | undefined;
        await untilDone(
          async () => (done = await isDone()),
          () => Promise.resolve(false),
          seen,
        );
        if (done === true) return;
      } else if (!error.retryable) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** A writer that goes on until it is told to stop, and notes the numbers that were acknowledged. */
async function keepWriting(
  database: Writes,
  writer: string,
  acknowledged: number[],
  stop: AbortSignal,
  seen: Map<string, number>,
): Promise<void> {
  const isThere = async (number: number): Promise<boolean> => {
    const found = database.read
      .selectFrom("numbers")
      .select("number")
      .where("number", "=", number)
      .where("writer", "=", writer);
    return (await found.execute()).length > 0;
  };
  const event = (number: number): EventDraft => ({
    source: "test",
    type: "run.logged",
    subject: `${writer}/${number}`,
    data: {},
  });
  for (let number = 1; !stop.aborted; number += 1) {
    const insert = { sql: "insert into numbers (number, writer) values (?, ?)", parameters: [number, writer] };
    const call = writer.startsWith("batch")
      ? () => database.writeBatch([insert], { events: [event(number)] })
      : () =>
          database.write(async ({ sql, emit }) => {
            await sql.insertInto("numbers").values({ number, writer }).execute();
            await emit(event(number));
          });
    await untilDone(call, () => isThere(number), seen);
    acknowledged.push(number);
  }
}

/** Follows the log through everything, from the last cursor it saw. */
async function keepFollowing(database: Database, subjects: string[], stop: AbortSignal): Promise<void> {
  let after = 0;
  while (!stop.aborted) {
    try {
      for await (const { cursor, event } of openEventLog(database, { pollMs: 20 }).read({
        after,
        follow: true,
        signal: stop,
      })) {
        expect(cursor).toBe(after + 1);
        after = cursor;
        subjects.push(event.subject ?? "");
      }
    } catch (error) {
      if (!isMillwrightError(error) || !error.retryable) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

postgres.test(
  "a server that is restarted under load loses no acknowledged write, doubles none, and writers and followers go on",
  async () => {
    await using place = await postgres.makePlace();
    await using first = await place.open();
    await using second = await place.open();
    await first.writeBatch([{ sql: "create table numbers (number bigint not null, writer text not null)" }]);
    const stop = new AbortController();
    const seen = new Map<string, number>();
    const names = ["batch 1", "batch 2", "write 1", "write 2"];
    const acknowledged = names.map((): number[] => []);
    const writing = names.map((name, index) =>
      keepWriting(
        (index % 2 === 0 ? first : second).typed<Numbers>(),
        name,
        acknowledged[index] ?? [],
        stop.signal,
        seen,
      ),
    );
    const followed: string[] = [];
    const stopFollowing = new AbortController();
    const following = keepFollowing(second, followed, stopFollowing.signal);
    const allWroteMore = async (): Promise<void> => {
      const before = acknowledged.map(({ length }) => length);
      const wrote = () => acknowledged.every(({ length }, index) => length > (before[index] ?? 0) + 4);
      await expect.poll(wrote, { timeout: 100_000 }).toBe(true);
    };
    for (const signal of ["SIGKILL", "SIGQUIT", "SIGKILL", "SIGQUIT", "SIGKILL"] as const) {
      await allWroteMore();
      await postgres.server().restart(signal, 50);
    }
    await allWroteMore();
    stop.abort();
    await Promise.all(writing);
    const total = acknowledged.flat().length;
    await expect.poll(() => followed.length, { timeout: 100_000 }).toBe(total);
    stopFollowing.abort();
    await following;
    const tables = first.typed<Numbers>();
    for (const [index, writer] of names.entries()) {
      const rows = await tables.read
        .selectFrom("numbers")
        .select("number")
        .where("writer", "=", writer)
        .orderBy("number")
        .execute();
      expect(
        rows.map(({ number }) => number),
        writer,
      ).toEqual(acknowledged[index]);
      expect(followed.filter((subject) => subject.startsWith(`${writer}/`))).toEqual(
        acknowledged[index]?.map((number) => `${writer}/${number}`),
      );
    }
    expect(await openEventLog(first).verify()).toMatchObject({ records: total, broken: undefined });
    // The server was away, and everybody was told so.
    expect(seen.get("STORAGE_DATABASE_UNREACHABLE")).toBeGreaterThan(0);
    expect(
      [...seen.keys()].filter((code) => !/^STORAGE_(?:DATABASE_UNREACHABLE|COMMIT_UNKNOWN|DATABASE_BUSY)$/.test(code)),
    ).toEqual([]);
  },
);
