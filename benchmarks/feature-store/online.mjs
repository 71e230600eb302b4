// Reads of online features in this process against bare reads of the same numbers from LMDB: the cost of definitions, times, statuses and
// columns over the cost of the store. Run it after `npx tsc -b`: node benchmarks/feature-store/online.mjs [entities] [pairs]
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { batchOf, column } from "../../packages/data/dist/index.js";
import { openLmdbOnlineStore } from "../../packages/feature-store/dist/drivers/lmdb.js";
import { openMemoryOnlineStore } from "../../packages/feature-store/dist/drivers/memory.js";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
} from "../../packages/feature-store/dist/index.js";
import { pairedRatio, seededRandom } from "./pairs.mjs";

const { open } = createRequire(new URL("../../packages/feature-store/package.json", import.meta.url))("lmdb");
const [entities = 100_000, pairs = 40] = process.argv.slice(2).map(Number);
const FEATURES = 50;

const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const names = Array.from({ length: FEATURES }, (_, index) => `f${index}`);
const view = defineFeatureView({
  name: "profile",
  entity: user,
  eventTime: "at",
  features: Object.fromEntries(names.map((name) => [name, "float32"])),
});
const services = [defineFeatureService({ name: "all", views: [view] })];
const random = seededRandom(17);
const keyOf = (index) => `user_${index}`;

/** Pushes every entity, a piece at a time. */
async function load(store, raw) {
  const at = new Date(Date.UTC(2024, 0, 1));
  for (let from = 0; from < entities; from += 5000) {
    const length = Math.min(5000, entities - from);
    const keys = Array.from({ length }, (_, index) => keyOf(from + index));
    const values = names.map(() => Float32Array.from({ length }, () => random()));
    const columns = {
      user: column("utf8", keys),
      at: column("timestamp", Array(length).fill(at)),
      ...Object.fromEntries(names.map((name, index) => [name, { type: "float32", length, values: values[index] }])),
    };
    await store.push(view, { length, columns });
    await raw?.transaction(() => {
      for (let row = 0; row < length; row++) {
        raw.put(keys[row], new Uint8Array(Float32Array.from(values, (each) => each[row]).buffer));
      }
    });
  }
}

const directory = mkdtempSync(join(tmpdir(), "millwright-benchmark-"));
const lmdb = open({ path: join(directory, "online.lmdb"), overlappingSync: false });
const bare = open({ path: join(directory, "bare.lmdb"), encoding: "binary", overlappingSync: false });
const keyed = await openFeatureStore({
  history: join(directory, "keyed"),
  services,
  online: openLmdbOnlineStore(lmdb, { flush: "system" }),
});
let resident;
try {
  console.log(`${entities} entities × ${FEATURES} float32, Node ${process.version}, load ${loadavg()[0].toFixed(2)}`);
  await load(keyed, bare);

  /** What a program would do that knew the layout: one row-major matrix. */
  const readBare = (keys) => {
    const matrix = new Float32Array(keys.length * FEATURES);
    for (let row = 0; row < keys.length; row++) {
      const bytes = bare.getBinaryFast(keys[row]);
      matrix.set(new Float32Array(bytes.buffer, bytes.byteOffset, FEATURES), row * FEATURES);
    }
    return matrix;
  };
  const readStore = (store) => (keys) => store.read("all", { entities: batchOf({ user: column("utf8", keys) }) });

  // The same work: the same numbers come out.
  const sample = Array.from({ length: 100 }, () => keyOf(Math.floor(random() * entities)));
  const { features } = await readStore(keyed)(sample);
  const matrix = readBare(sample);
  for (let row = 0; row < 100; row++) {
    for (let index = 0; index < FEATURES; index++) {
      const value = features.columns[`profile__${names[index]}`].values[row];
      if (!Object.is(value, matrix[row * FEATURES + index])) throw new Error(`row ${row}, feature ${index} differ`);
    }
  }

  const compare = async (name, read, size) => {
    const requests = Array.from({ length: Math.ceil(4000 / size) }, () =>
      Array.from({ length: size }, () => keyOf(Math.floor(random() * entities))),
    );
    const through = (each) => async () => {
      for (const keys of requests) await each(keys);
    };
    const result = await pairedRatio(through(read), through(readBare), { pairs, calls: requests.length });
    console.log(
      `| ${name} | ${size} | ${result.first.toFixed(2)} | ${result.second.toFixed(2)} | ` +
        `${result.ratio.toFixed(2)} [${result.low.toFixed(2)}, ${result.high.toFixed(2)}] |`,
    );
  };
  const vectors = keyed.vectorReader("all");
  const readVectors = (keys) => {
    const timeMs = Date.now();
    const target = new Float64Array(keys.length * FEATURES);
    for (let row = 0; row < keys.length; row++)
      vectors.readNow({ user: keys[row] }, target, { offset: row * FEATURES, timeMs });
    return target;
  };
  readVectors(sample).forEach((value, index) => {
    if (!Object.is(value, matrix[index])) throw new Error(`number ${index} differs`);
  });
  const sizes = [1, 10, 100];
  for (const size of sizes) await compare("LMDB, vector reader", readVectors, size);
  for (const size of sizes) await compare("LMDB, `read`", readStore(keyed), size);
  // Last, since a large heap slows down whatever makes garbage beside it.
  resident = await openFeatureStore({
    history: join(directory, "resident"),
    services,
    online: openMemoryOnlineStore(),
  });
  await load(resident);
  for (const size of sizes) await compare("in memory, `read`", readStore(resident), size);
} finally {
  await keyed[Symbol.asyncDispose]();
  await resident?.[Symbol.asyncDispose]();
  await lmdb.close();
  await bare.close();
  rmSync(directory, { recursive: true, force: true });
}
