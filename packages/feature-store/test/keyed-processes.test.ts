import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createRandom, type Random } from "@millwright/contracts";
import { collect, toArray } from "@millwright/data";
import { DatabaseSync } from "@photostructure/sqlite";
import { open } from "lmdb";
import { expect, test } from "vitest";
import { openLmdbOnlineStore } from "../src/drivers/lmdb.ts";
import { openMemoryKeyedOnlineStore } from "../src/drivers/memory-keyed.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { openSqliteOnlineStore } from "../src/drivers/sqlite.ts";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStoreOptions,
  openFeatureStore,
} from "../src/index.ts";
import { temporaryDirectory } from "./rows.ts";

interface Put {
  readonly key: string;
  readonly at: number;
  readonly seen: number;
  readonly number: number;
}

/** Rows of which many are of one entity, many of one event time, and some stand twice. */
function randomPuts(random: Random, count: number): Put[] {
  const rows = Array.from({ length: count }, (_, number): Put => ({
    key: `key ${Math.floor(random.next() * 8)}`,
    at: Math.floor(random.next() * 20) * 1000,
    // No two of one entity and event time were created together, so that one of them counts.
    seen: number,
    number,
  }));
  const again = rows.filter(() => random.next() < 0.2);
  return shuffled(random, [...rows, ...again]);
}

function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  const result = [...items];
  for (let at = result.length - 1; at > 0; at--) {
    const other = Math.floor(random.next() * (at + 1));
    [result[at], result[other]] = [result[other]!, result[at]!];
  }
  return result;
}

/** The state after single puts in any order: of each entity the row with the latest event time, of those the one created last. */
function stateOf(rows: readonly Put[]): Record<string, number> {
  const newest = new Map<string, Put>();
  for (const row of rows) {
    const before = newest.get(row.key);
    if (before === undefined || row.at > before.at || (row.at === before.at && row.seen > before.seen)) {
      newest.set(row.key, row);
    }
  }
  return Object.fromEntries([...newest].map(([key, { number }]) => [key, number]));
}

const view = defineFeatureView({
  name: "numbers",
  entity: defineEntity({ name: "user", keys: { user: "utf8" } }),
  eventTime: "at",
  createdTime: "seen",
  features: { number: "int32" },
});

const kinds: Record<string, (directory: string) => { online: FeatureStoreOptions["online"]; close(): Promise<void> }> =
  {
    resident: () => ({ online: openMemoryOnlineStore(), close: async () => {} }),
    memory: () => ({ online: openMemoryKeyedOnlineStore(), close: async () => {} }),
    lmdb: (directory) => {
      const root = open({ path: join(directory, "online.lmdb"), overlappingSync: false });
      return { online: openLmdbOnlineStore(root, { flush: "system" }), close: () => root.close() };
    },
    sqlite: (directory) => {
      const connection = new DatabaseSync(join(directory, "online.db"));
      return { online: openSqliteOnlineStore(connection, { flush: "system" }), close: async () => connection.close() };
    },
  };

for (const [kind, openKind] of Object.entries(kinds)) {
  test(`FS-3: batches of any size, in any order and at once, with rows that stand twice, leave the state of single puts (${kind})`, async () => {
    const random = createRandom(7);
    for (let round = 0; round < 12; round++) {
      await using directory = await temporaryDirectory();
      const { online, close } = openKind(directory.path);
      const services = [defineFeatureService({ name: "all", views: [view] })];
      // Two stores over one online store are two writers; where rows are resident there can be one.
      const stores = await Promise.all(
        Array.from({ length: kind === "resident" ? 1 : 2 }, () =>
          openFeatureStore({ history: directory.path, services, online }),
        ),
      );
      const rows = randomPuts(random, 60);
      const writing: Promise<unknown>[] = [];
      for (let at = 0; at < rows.length;) {
        const size = 1 + Math.floor(random.next() * 9);
        const batch = rows.slice(at, at + size).map(({ key, at: ms, seen, number }) => ({
          user: key,
          at: new Date(ms),
          seen: new Date(seen),
          number,
        }));
        const store = stores[writing.length % stores.length]!;
        writing.push(round % 2 === 0 ? store.push(view, batch) : store.put(view, batch, { to: "online" }));
        at += size;
      }
      await Promise.all(writing);
      const expected = stateOf(rows);
      for (const store of stores) {
        const found = await Promise.all(
          Object.keys(expected).map(
            async (user) => [user, (await store.get(view, { user })).values["number"]] as const,
          ),
        );
        expect(Object.fromEntries(found)).toEqual(expected);
        await store[Symbol.asyncDispose]();
      }
      await close();
    }
  });
}

for (const kind of ["memory", "lmdb", "sqlite"] as const) {
  test(`two stores that change one record at once lose no change, and both histories together hold them all (${kind})`, async () => {
    await using directory = await temporaryDirectory();
    const { online, close } = kinds[kind]!(directory.path);
    const names = Array.from({ length: 40 }, (_, index) => `f${index}`);
    const record = defineFeatureView({
      name: "record",
      entity: view.entity,
      eventTime: "at",
      features: Object.fromEntries(names.map((name) => [name, "int32" as const])),
    });
    const services = [defineFeatureService({ name: "all", views: [record] })];
    const open = () => openFeatureStore({ history: join(directory.path, "history"), services, online });
    const stores = await Promise.all([open(), open()]);
    const empty = Object.fromEntries(names.map((name) => [name, -1]));
    await stores[0]!.put(record, [{ user: "ann", at: new Date(1), ...empty }]);
    await Promise.all(
      names.map((name, index) => stores[index % 2]!.update(record, { user: "ann" }, { [name]: index })),
    );
    const expected = Object.fromEntries(names.map((name, index) => [name, index]));
    for (const store of stores) expect((await store.get(record, { user: "ann" })).values).toEqual(expected);
    for (const store of stores) await store[Symbol.asyncDispose]();
    await using again = await open();
    const { columns } = await collect(await again.scan(record, { latest: true }));
    expect(names.map((name) => toArray(columns[name]!)[0])).toEqual(Object.values(expected));
    await close();
  });
}

const fixture = (name: string, ...parameters: readonly string[]): ChildProcess =>
  spawn(process.execPath, [new URL(`./fixtures/${name}.mjs`, import.meta.url).pathname, ...parameters], {
    stdio: ["pipe", "pipe", "inherit"],
  });

const linesOf = (child: ChildProcess): AsyncIterableIterator<string> =>
  createInterface({ input: child.stdout! })[Symbol.asyncIterator]();

for (const kind of ["lmdb", "sqlite"] as const) {
  test(`FS-3: three processes that write to one file leave the state of single puts (${kind})`, async () => {
    await using directory = await temporaryDirectory();
    const random = createRandom(13);
    const rows = randomPuts(random, 240);
    const parts = [0, 1, 2].map((part) =>
      shuffled(
        random,
        rows.filter((_, index) => index % 3 === part),
      ),
    );
    // Some rows come from all three.
    const shared = rows.slice(0, 30);
    const children = await Promise.all(
      parts.map(async (part, index) => {
        const file = join(directory.path, `${index}.json`);
        await writeFile(file, JSON.stringify(shuffled(random, [...part, ...shared])));
        return fixture("keyed-put", kind, directory.path, file);
      }),
    );
    expect(await Promise.all(children.map(async (child) => (await once(child, "exit"))[0] as unknown))).toEqual([
      0, 0, 0,
    ]);
    const { openShared, views } = (await import("./fixtures/keyed-service.mjs" as string)) as {
      openShared: (
        kind: string,
        path: string,
      ) => Promise<{ store: Awaited<ReturnType<typeof openFeatureStore>>; close(): Promise<void> }>;
      views: readonly [typeof view, typeof view];
    };
    const { store, close } = await openShared(kind, directory.path);
    const expected = stateOf(rows);
    for (const each of views) {
      const found = await Promise.all(
        Object.keys(expected).map(async (user) => [user, (await store.get(each, { user })).values["f0"]] as const),
      );
      expect(Object.fromEntries(found)).toEqual(expected);
    }
    await close();
  });

  test(`FS-34: four processes read while one writes, none sees a torn or an older row, and after a kill another writer goes on within 5 s (${kind})`, async () => {
    await using directory = await temporaryDirectory();
    const keys = "12";
    const startWriter = async () => {
      const child = fixture("keyed-write-for-ever", kind, directory.path, keys);
      const lines = linesOf(child);
      expect((await lines.next()).value).toBe("ready");
      return { child, lines };
    };
    let writer = await startWriter();
    writer.child.stdin!.write("1\n");
    let acknowledged = Number((await writer.lines.next()).value);
    const readers = Array.from({ length: 4 }, () => fixture("keyed-read-for-ever", kind, directory.path, keys));
    const outputs = readers.map(linesOf);
    for (const output of outputs) expect((await output.next()).value).toBe("ready");
    for (let kill = 0; kill < 2; kill++) {
      const standby = await startWriter();
      for (let count = 0; count < 8; count++) acknowledged = Number((await writer.lines.next()).value);
      writer.child.kill("SIGKILL");
      const killedMs = performance.now();
      for await (const line of writer.lines) acknowledged = Number(line);
      writer = standby;
      writer.child.stdin!.write(`${acknowledged + 1}\n`);
      acknowledged = Number((await writer.lines.next()).value);
      expect(performance.now() - killedMs).toBeLessThan(5000);
    }
    const ended = once(writer.child, "exit");
    writer.child.kill("SIGKILL");
    await ended;
    const results = await Promise.all(
      readers.map(async (reader, index) => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        reader.stdin!.end();
        return JSON.parse(String((await outputs[index]!.next()).value)) as Record<string, number>;
      }),
    );
    for (const { reads, torn, backwards, newest } of results) {
      expect({ torn, backwards }).toEqual({ torn: 0, backwards: 0 });
      expect(reads).toBeGreaterThan(10);
      expect(newest).toBeGreaterThanOrEqual(acknowledged);
    }
  });
}
