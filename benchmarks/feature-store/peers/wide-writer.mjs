// Loads a wide view online: by the feature store into `lmdb`, `sqlite` or the `log`, or by hand into LMDB, as a program would that knew the layout.
import { mkdir, readdir, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { batchOf, column } from "../../../packages/data/dist/index.js";
import { openDuckDb } from "../../../packages/duckdb/dist/index.js";
import { openLmdbOnlineStore } from "../../../packages/feature-store/dist/drivers/lmdb.js";
import { openLogOnlineStore } from "../../../packages/feature-store/dist/drivers/log.js";
import { openSqliteOnlineStore } from "../../../packages/feature-store/dist/drivers/sqlite.js";
import { openFeatureStore } from "../../../packages/feature-store/dist/index.js";
import { WIDE_FEATURES, wideService, wideView } from "../wide.mjs";
import { serve } from "./serve.mjs";

const require = createRequire(new URL("../../../packages/feature-store/package.json", import.meta.url));
const [kind, directory] = process.argv.slice(2);
const online = join(directory, "online");
await mkdir(online, { recursive: true });
const duckdb = await openDuckDb();
const BY_HAND_ROWS = 8_192;

const openLmdb = (name) =>
  require("lmdb").open({ path: join(online, name), encoding: "binary", overlappingSync: false });

/** What a program would do that knew the layout: the numbers of each entity side by side under its id. */
function byHand() {
  const database = openLmdb("bare.lmdb");
  let paths;
  let ready = [];
  const blobsOf = async function* (path) {
    // The newest row of each entity, in the order of the keys.
    const sql = `SELECT CAST(id AS VARCHAR) AS id, ${WIDE_FEATURES.join(", ")} FROM '${path}'
      QUALIFY row_number() OVER (PARTITION BY id ORDER BY event_ts DESC) = 1 ORDER BY 1`;
    for await (const { length, columns } of duckdb.query(sql, { batchRows: BY_HAND_ROWS })) {
      const matrix = new Float32Array(length * WIDE_FEATURES.length);
      WIDE_FEATURES.forEach((name, index) => {
        const { values } = columns[name];
        for (let row = 0, at = index; row < length; row++, at += WIDE_FEATURES.length) matrix[at] = values[row];
      });
      const { values, offsets } = columns.id;
      const text = Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("latin1");
      const keys = Array.from({ length }, (_, row) => text.slice(offsets[row], offsets[row + 1]));
      const bytes = new Uint8Array(matrix.buffer);
      yield { keys, bytes };
    }
  };
  const size = WIDE_FEATURES.length * 4;
  const put = async ({ keys, bytes }) => {
    await database.transaction(() => {
      keys.forEach((key, row) => database.put(key, bytes.subarray(row * size, (row + 1) * size)));
    });
    await database.flushed;
  };
  const load = async (path) => {
    for await (const blobs of blobsOf(path)) await put(blobs);
  };
  const read = (id) => {
    const bytes = database.getBinary(String(id));
    return Float32Array.from({ length: WIDE_FEATURES.length }, (_, at) => bytes.readFloatLE(at * 4));
  };
  return {
    async prepare(given) {
      paths = given.paths;
      // For the operation that only puts.
      if (given.ready) for await (const blobs of blobsOf(paths.first)) ready.push(blobs);
    },
    full: () => load(paths.first),
    async puts() {
      for (const blobs of ready) await put(blobs);
      ready = [];
    },
    incremental: () => load(paths.changes),
    values: async ({ ids }) => ({ values: ids.map((id) => [...read(id)]) }),
    async push({ calls, rows }) {
      return await timed(calls, async (call) => {
        const matrix = new Float32Array(rows * WIDE_FEATURES.length).fill(call);
        const keys = Array.from({ length: rows }, (_, row) => String(1_000_000 + call * rows + row));
        await put({ keys, bytes: new Uint8Array(matrix.buffer) });
        if (read(keys.at(-1))[0] !== call) throw new Error("not there");
      });
    },
    close: async () => await database.close(),
  };
}

async function timed(calls, work) {
  const seconds = [];
  for (let call = 0; call < calls; call++) {
    const started = performance.now();
    await work(call);
    seconds.push((performance.now() - started) / 1000);
  }
  return { seconds };
}

async function openStore() {
  if (kind === "log") return { store: await openLogOnlineStore(join(online, "log")), file: undefined };
  if (kind === "lmdb") {
    const file = openLmdb("online.lmdb");
    return { store: openLmdbOnlineStore(file), file };
  }
  const file = new (require("@photostructure/sqlite").DatabaseSync)(join(online, "online.db"));
  return { store: openSqliteOnlineStore(file), file };
}

async function byStore() {
  const { store: kept, file } = await openStore();
  const parts = { history: join(directory, "history"), services: [wideService], duckdb, online: kept };
  const store = await openFeatureStore(parts);
  let paths;
  const read = async (ids) => {
    const { features } = await store.read("all", { entities: batchOf({ id: column("int64", ids.map(BigInt)) }) });
    const columns = WIDE_FEATURES.map((name) => features.columns[`wide__${name}`].values);
    return ids.map((_, row) => columns.map((values) => values[row]));
  };
  return {
    async prepare(given) {
      paths = given.paths;
      await store.ingest(wideView, await duckdb.scan(paths.first));
    },
    full: async ({ end }) => await store.materialize(wideView, { upToMs: end }),
    /** Brought into the history before, which is not timed. */
    changes: async () => void (await store.ingest(wideView, await duckdb.scan(paths.changes))),
    incremental: async () => await store.materialize(wideView),
    values: async ({ ids }) => ({ values: await read(ids) }),
    async push({ calls, rows }) {
      return await timed(calls, async (call) => {
        const ids = Array.from({ length: rows }, (_, row) => 1_000_000 + call * rows + row);
        const columns = {
          id: column("int64", ids.map(BigInt)),
          event_ts: column("timestamp", Array(rows).fill(new Date())),
          ...Object.fromEntries(
            WIDE_FEATURES.map((name) => [
              name,
              { type: "float32", length: rows, values: new Float32Array(rows).fill(call) },
            ]),
          ),
        };
        await store.push(wideView, { length: rows, columns });
        if ((await read([ids.at(-1)]))[0][0] !== call) throw new Error("not there");
      });
    },
    async close() {
      await store[Symbol.asyncDispose]();
      await kept[Symbol.asyncDispose]();
      await file?.close();
    },
  };
}

const sizeOf = async (path) => {
  const found = await stat(path);
  if (!found.isDirectory()) return found.blocks * 512;
  const sizes = await Promise.all((await readdir(path)).map((name) => sizeOf(join(path, name))));
  return sizes.reduce((sum, each) => sum + each, 0);
};

const { close, ...operations } = kind === "by-hand" ? byHand() : await byStore();
await serve({ changes: async () => {}, ...operations, size: async () => ({ bytes: await sizeOf(online) }) });
await close();
await duckdb[Symbol.asyncDispose]();
