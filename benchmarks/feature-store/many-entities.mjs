// Many entities in an LMDB online store: loads them once by pushing, opens the file again in a fresh process, and reads.
// Run it after `npx tsc -b`: node benchmarks/feature-store/many-entities.mjs [entities, default 10 000 000]
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { batchOf, column } from "../../packages/data/dist/index.js";
import { openLmdbOnlineStore } from "../../packages/feature-store/dist/drivers/lmdb.js";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
} from "../../packages/feature-store/dist/index.js";
import { seededRandom } from "./pairs.mjs";

const { open } = createRequire(new URL("../../packages/feature-store/package.json", import.meta.url))("lmdb");
const FEATURES = 20;
const PIECE = 20_000;

const names = Array.from({ length: FEATURES }, (_, index) => `f${index}`);
const view = defineFeatureView({
  name: "profile",
  entity: defineEntity({ name: "user", keys: { user: "int64" } }),
  eventTime: "at",
  features: Object.fromEntries(names.map((name) => [name, "float32"])),
});

/** Memory of this process in MiB: its own, and pages of the file, which the system takes back when it needs them. */
function memory() {
  const status = readFileSync("/proc/self/status", "utf8");
  const mib = (name) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)[1]) / 1024);
  return `${mib("RssAnon")} MiB of its own and ${mib("RssFile")} MiB of the file`;
}

async function openAll(directory) {
  const lmdb = open({ path: join(directory, "online.lmdb"), overlappingSync: false });
  const online = openLmdbOnlineStore(lmdb, { flush: "system" });
  const services = [defineFeatureService({ name: "all", views: [view] })];
  const store = await openFeatureStore({ history: join(directory, "history"), services, online });
  return { store, close: async () => void (await store[Symbol.asyncDispose](), await lmdb.close()) };
}

async function load(directory, entities) {
  const { store, close } = await openAll(directory);
  const started = performance.now();
  for (let from = 0; from < entities; from += PIECE) {
    const length = Math.min(PIECE, entities - from);
    const user = BigInt64Array.from({ length }, (_, row) => BigInt(from + row));
    const at = new BigInt64Array(length).fill(1_700_000_000_000_000n);
    const columns = {
      user: { type: "int64", length, values: user },
      at: { type: "timestamp", length, values: at },
      ...Object.fromEntries(
        names.map((name, index) => [
          name,
          { type: "float32", length, values: Float32Array.from({ length }, (_, row) => from + row + index) },
        ]),
      ),
    };
    await store.push(view, { length, columns });
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `loaded ${entities} in ${seconds.toFixed(0)} s, ${Math.round(entities / seconds)} entities/s; ${memory()}`,
  );
  await close();
}

async function read(directory, entities) {
  const started = performance.now();
  const { store, close } = await openAll(directory);
  console.log(`opened in ${(performance.now() - started).toFixed(0)} ms; ${memory()}`);
  const random = seededRandom(3);
  for (const size of [1, 100]) {
    const times = [];
    for (let call = 0; call < 50_000 / size; call++) {
      const keys = Array.from({ length: size }, () => Math.floor(random() * entities));
      const request = { entities: batchOf({ user: column("int64", keys.map(BigInt)) }) };
      const before = performance.now();
      const { features } = await store.read("all", request);
      times.push((performance.now() - before) * 1000);
      keys.forEach((key, row) => {
        const value = features.columns["profile__f7"].values[row];
        if (value !== Math.fround(key + 7)) throw new Error(`entity ${key} reads ${value}`);
      });
    }
    times.sort((one, other) => one - other);
    const at = (share) => times[Math.floor(times.length * share)].toFixed(1);
    console.log(`${size} at once: p50 ${at(0.5)} µs, p99 ${at(0.99)} µs; ${memory()}`);
  }
  await close();
}

if (process.argv[2] === "child") {
  const [role, directory, entities] = process.argv.slice(3);
  await (role === "load" ? load : read)(directory, Number(entities));
} else {
  const entities = Number(process.argv[2] ?? 10_000_000);
  const directory = mkdtempSync(join(tmpdir(), "millwright-benchmark-"));
  console.log(`${entities} entities × ${FEATURES} float32, Node ${process.version}, load ${loadavg()[0].toFixed(1)}`);
  try {
    for (const role of ["load", "read"]) {
      const child = fork(fileURLToPath(import.meta.url), ["child", role, directory, String(entities)]);
      const [code] = await once(child, "exit");
      if (code !== 0) throw new Error(`${role} ended with ${code}`);
      const folder = join(directory, "online.lmdb");
      const files = statSync(folder).isDirectory() ? readdirSync(folder).map((name) => join(folder, name)) : [folder];
      const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
      if (role === "load") console.log(`on disk: ${(bytes / 2 ** 30).toFixed(2)} GiB`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
