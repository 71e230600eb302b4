// Online features over HTTP: our server (JSON, Arrow, and Feast's protocol) on LMDB, Redis and in memory, against `feast serve` on SQLite and Redis,
// the latter also with vectors computed beforehand. Run it after `npx tsc -b`, with a Python that has feast[redis] in MILLWRIGHT_PYTHON:
// node benchmarks/feature-store/http.mjs <result.json> [entities] [seconds of a window] [rounds] [widths, such as 50,10] [workers, else they are tried]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batchOf, column, fromIpc, toArray, toIpc } from "../../packages/data/dist/index.js";
import { askOnce, closedLoop, openLoop, requestOf } from "../http-load.mjs";
import { loadFeast, serveFeast, serveOurs, startRedis } from "./http-servers.mjs";
import { calibrate, machine, median, pairedRatio, seededRandom, usageOfTree } from "./referee.mjs";

const [resultPath, ...given] = process.argv.slice(2);
const [entities = 10_000, windowSeconds = 2, rounds = 3] = given.slice(0, 3).map(Number);
const measuredWidths = (given[3] ?? "50,10,250").split(",").map(Number);
const givenWorkers = given[4] === undefined ? undefined : Number(given[4]);
const WIDTHS = [10, 50, 250];
const SIZES = [1, 10, 100];
const TOTAL = 310;
const CONNECTIONS = 8;
const ARROW = "application/vnd.apache.arrow.stream";
const directory = mkdtempSync(join(tmpdir(), "millwright-http-benchmark-"));
const valuesPath = join(directory, "values.bin");
const eventMs = Math.floor(Date.now() / 1000) * 1000 - 3_600_000;
const random = seededRandom(11);
const values = Float32Array.from({ length: entities * TOTAL }, () => random() * 1000 - 500);

/** Every value is a float32: what a server says of it, in whatever many digits, must be that float32. */
function checkColumn(name, keys, width, feature, answered) {
  const first = WIDTHS.slice(0, WIDTHS.indexOf(width)).reduce((sum, each) => sum + each, 0);
  if (answered?.length !== keys.length) throw new Error(`${name} answered ${answered?.length} of ${keys.length} rows`);
  keys.forEach((key, row) => {
    const expected = values[key * TOTAL + first + feature];
    if (Math.fround(answered[row]) !== expected) {
      throw new Error(`${name}: f${feature} of ${key} is ${expected}, and was answered as ${answered[row]}`);
    }
  });
}

/** Keys by rank: the k-th is asked for in proportion to 1 / k^1.1. */
function zipfKeys() {
  const sums = new Float64Array(entities);
  let sum = 0;
  for (let rank = 0; rank < entities; rank++) sums[rank] = sum += 1 / (rank + 1) ** 1.1;
  return () => {
    const wanted = random() * sum;
    let low = 0;
    for (let high = entities - 1; low < high;) {
      const middle = (low + high) >> 1;
      if (sums[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    // Neighbours in rank are no neighbours in the store.
    return (low * 7919) % entities;
  };
}
const drawers = { uniform: () => Math.floor(random() * entities), zipf: zipfKeys() };

/** How each protocol asks, and how its answer is read: `read(body, feature)` gives a column. */
const protocols = {
  json: {
    request: (width, keys) =>
      requestOf({ path: `/house/services/s${width}/read`, body: JSON.stringify({ entities: { user: keys } }) }),
    read: (body, width) => {
      const { features } = JSON.parse(body);
      return (feature) => features[`p${width}__f${feature}`];
    },
  },
  arrow: {
    request: (width, keys) =>
      requestOf({
        path: `/house/services/s${width}/read`,
        body: toIpc(batchOf({ user: column("int64", keys.map(BigInt)) })),
        headers: { "content-type": ARROW, accept: ARROW },
      }),
    read: (body, width) => {
      const [{ columns }] = fromIpc(body);
      return (feature) => toArray(columns[`p${width}__f${feature}`]);
    },
  },
  jsonToArrow: {
    request: (width, keys) =>
      requestOf({
        path: `/house/services/s${width}/read`,
        body: JSON.stringify({ entities: { user: keys } }),
        headers: { accept: ARROW },
      }),
    read: (body, width) => protocols.arrow.read(body, width),
  },
  feast: feastProtocol({}),
  // What Feast computed beforehand it only finds under full names.
  precomputed: feastProtocol({ suffix: "_precomputed", fullNames: true }),
  bare: { request: (_, keys) => requestOf({ path: "/bare", body: JSON.stringify({ entities: { user: keys } }) }) },
};

function feastProtocol({ suffix = "", fullNames = false }) {
  return {
    request: (width, keys) => {
      const names = fullNames ? { full_feature_names: true } : {};
      const body = { feature_service: `s${width}${suffix}`, entities: { user: keys }, ...names };
      return requestOf({ path: "/get-online-features", body: JSON.stringify(body) });
    },
    read: (body, width) => {
      const { results, metadata } = JSON.parse(body);
      const nameOf = (feature) => (fullNames ? `p${width}__f${feature}` : `f${feature}`);
      return (feature) => results[metadata.feature_names.indexOf(nameOf(feature))].values;
    },
  };
}

const cpuOf = (pids) => pids.reduce((sum, pid) => sum + usageOfTree(pid).cpuSeconds, 0);

/** Runs a window and gives what it found, with the processor microseconds a request of the server and of the Redis behind it. */
async function windowOf(loop, { pids, port }, requests, options) {
  const before = cpuOf(pids);
  const found = await loop({ port, requests, connections: CONNECTIONS, seconds: windowSeconds, ...options });
  const cpuSeconds = cpuOf(pids) - before;
  const answered = found.answered ?? found.latencies.length;
  if (found.failed > 0) throw new Error(`${found.failed} of ${answered} requests failed`);
  return { ...found, cpuMicros: (cpuSeconds * 1e6) / answered, cpuSeconds, answered };
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

async function checkAnswers(contenders) {
  for (const contender of contenders) {
    const { name, port, protocol } = contender;
    const { request, read } = protocols[protocol];
    if (read === undefined) continue;
    for (const width of WIDTHS) {
      for (const size of SIZES) {
        const keys = Array.from({ length: size }, drawers.uniform);
        const body = await askOnce(port, request(width, keys));
        const columnAt = read(body, width);
        for (let feature = 0; feature < width; feature++) checkColumn(name, keys, width, feature, columnAt(feature));
      }
    }
  }
}

/** All contenders in turns, forwards and backwards: first as fast as they can, then all at one rate that the slowest can keep. */
async function measureCell(contenders, { size, width, keys }) {
  const requests = Object.fromEntries(
    [...new Set(contenders.map(({ protocol }) => protocol))].map((protocol) => [
      protocol,
      Array.from({ length: 200 }, () =>
        protocols[protocol].request(width, Array.from({ length: size }, drawers[keys])),
      ),
    ]),
  );
  const results = new Map(contenders.map(({ name }) => [name, { closed: [], open: [] }]));
  const inTurns = async (part, loop, options) => {
    for (let round = 0; round < rounds; round++) {
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
        const found = await windowOf(loop, contender, requests[contender.protocol], options);
        results.get(contender.name)[part].push(found);
      }
    }
  };
  for (const contender of contenders) {
    await closedLoop({ port: contender.port, requests: requests[contender.protocol], connections: 2, seconds: 0.5 });
  }
  await inTurns("closed", closedLoop, {});
  const saturation = ({ closed }) => median(closed.map(({ answered, seconds }) => answered / seconds));
  const rate = Math.min(...[...results.values()].map(saturation)) / 2;
  // Where the slowest answers a few a second, a window of the usual length would be of a few requests.
  await inTurns("open", openLoop, { rate, seconds: Math.max(windowSeconds, Math.min(2.5 * windowSeconds, 50 / rate)) });
  const rows = contenders.map(({ name }) => {
    const { closed, open } = results.get(name);
    const latencies = open.flatMap((each) => each.latencies).toSorted((one, other) => one - other);
    return {
      name,
      requestsPerSecond: saturation({ closed }),
      cpuMicros: closed.map((each) => each.cpuMicros),
      cpuMicrosAtRate: (open.reduce((sum, each) => sum + each.cpuSeconds, 0) * 1e6) / latencies.length,
      latencies: latencies.length,
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      p50s: open.map((each) => median(each.latencies)),
    };
  });
  for (const { name, requestsPerSecond, cpuMicros, p50, p99 } of rows) {
    console.error(
      `${size}×${width} ${keys}: ${name}: ${requestsPerSecond.toFixed(0)}/s, ${median(cpuMicros).toFixed(0)} µs; at ${rate.toFixed(1)}/s p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`,
    );
  }
  return { size, width, keys, rate, rows };
}

/** How many workers serve the most: tried in turns, with one entity of fifty features. */
async function tunedWorkers(name, repository, redisPid) {
  const requests = Array.from({ length: 100 }, () => protocols.feast.request(50, [drawers.uniform()]));
  const tried = [];
  for (const workers of [1, 2, 4]) {
    const server = await serveFeast(name, repository, workers);
    stops.push(server.stop);
    await closedLoop({ port: server.port, requests, connections: CONNECTIONS, seconds: 1 });
    tried.push({ workers, server, found: [] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const { server, found } of round % 2 === 0 ? tried : tried.toReversed()) {
      found.push(await windowOf(closedLoop, { pids: [server.pid, redisPid], port: server.port }, requests, {}));
    }
  }
  for (const { server } of tried) await server.stop();
  const told = tried.map(({ workers, found }) => ({
    workers,
    requestsPerSecond: median(found.map(({ answered, seconds }) => answered / seconds)),
    cpuMicros: median(found.map(({ cpuMicros }) => cpuMicros)),
  }));
  console.error(`${name}: ${JSON.stringify(told)}`);
  const best = told.toSorted((one, other) => other.requestsPerSecond - one.requestsPerSecond)[0].workers;
  return { tried: told, best };
}

/** Calls in the process of the asker: our store against Feast's SDK on SQLite, the same keys. Processor seconds a call, in turns. */
async function measureEmbedded(ours, sdk, how, { width, size }) {
  const service = `s${width}`;
  const keysOf = (calls) => Array.from({ length: calls }, () => Array.from({ length: size }, drawers.uniform));
  const calls = { ours: Math.ceil(60_000 / size), theirs: Math.ceil(300 / size) };
  const samples = { ours: [], theirs: [] };
  for (let round = 0; round < rounds * 2 + 1; round++) {
    for (const side of round % 2 === 0 ? ["ours", "theirs"] : ["theirs", "ours"]) {
      const keys = keysOf(calls[side]);
      const { answer, cpuSeconds } = await (side === "ours" ? ours : sdk).ask({ op: "read", service, keys, how });
      checkColumn(`${side}, embedded`, keys.at(-1), width, 0, answer.f0);
      // The first round warms both.
      if (round > 0) samples[side].push((cpuSeconds * 1e6) / calls[side]);
    }
  }
  const cpu = pairedRatio(samples.theirs, samples.ours);
  const row = { how, width, size, ours: median(samples.ours), theirs: median(samples.theirs), cpu, samples };
  console.error(`embedded ${how} ${size}×${width}: ${row.ours.toFixed(2)} and ${row.theirs.toFixed(0)} µs`);
  return row;
}

// Those that goals are set for come first.
const cells = measuredWidths.flatMap((width) => SIZES.map((size) => ({ size, width, keys: "uniform" })));
cells.splice(3, 0, ...[1, 100].map((size) => ({ size, width: measuredWidths[0], keys: "zipf" })));

const before = { machine: machine(), calibrationMs: calibrate() };
const stops = [];
const stopAll = async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
  rmSync(directory, { recursive: true, force: true });
};
process.once("SIGINT", () => void stopAll().finally(() => process.exit(130)));
try {
  writeFileSync(valuesPath, values);
  const data = { directory, valuesPath, entities, eventMs };
  const feastRedis = await startRedis(directory, "redis-of-feast");
  const ourRedis = await startRedis(directory, "redis-of-ours");
  stops.push(feastRedis.stop, ourRedis.stop);
  const sqlite = await loadFeast(data, { name: "feast-sqlite", onlineStore: "{type: sqlite, path: online.db}" });
  const redisSettings = `{type: redis, connection_string: "127.0.0.1:${feastRedis.port}"}`;
  const redis = await loadFeast(data, { name: "feast-redis", onlineStore: redisSettings, precompute: true });
  stops.push(sqlite.sdk.stop, redis.sdk.stop);
  const workers =
    givenWorkers === undefined
      ? await tunedWorkers("feast-redis", redis.repository, feastRedis.pid)
      : { best: givenWorkers };
  const theirs = {
    sqlite: await serveFeast("feast-sqlite", sqlite.repository, workers.best),
    redis: await serveFeast("feast-redis", redis.repository, workers.best),
  };
  stops.push(theirs.sqlite.stop, theirs.redis.stop);
  const ours = {};
  for (const kind of ["lmdb", "redis", "memory"]) {
    ours[kind] = await serveOurs(data, kind, ourRedis.port);
    stops.push(ours[kind].peer.stop);
  }
  const of = (name, { port, pid }, protocol, ...behind) => ({ name, port, pids: [pid, ...behind], protocol });
  const contenders = [
    of("Feast, SQLite", theirs.sqlite, "feast"),
    of("Feast, Redis", theirs.redis, "feast", feastRedis.pid),
    of("Feast, Redis, precomputed", theirs.redis, "precomputed", feastRedis.pid),
    of("LMDB, JSON", ours.lmdb, "json"),
    of("LMDB, Arrow", ours.lmdb, "arrow"),
    of("LMDB, JSON in, Arrow out", ours.lmdb, "jsonToArrow"),
    of("LMDB, Feast's protocol", ours.lmdb, "feast"),
    of("Redis, JSON", ours.redis, "json", ourRedis.pid),
    of("Redis, Arrow", ours.redis, "arrow", ourRedis.pid),
    of("memory, JSON", ours.memory, "json"),
    of("memory, Arrow", ours.memory, "arrow"),
    of("a bare Fastify route", ours.lmdb, "bare"),
  ];
  await checkAnswers(contenders);
  const measured = [];
  const embedded = [];
  /** Written after each part, so that a run that is cut short has said something. */
  const save = () => {
    const after = { machine: machine(), calibrationMs: calibrate() };
    const loaded = { feastSqlite: sqlite.loaded, feastRedis: redis.loaded };
    const result = { before, after, entities, windowSeconds, rounds, workers, loaded, measured, embedded };
    writeFileSync(resultPath, `${JSON.stringify(result, undefined, 1)}\n`);
  };
  for (const size of [1, 100]) {
    for (const how of ["read", "vectors"]) {
      embedded.push(await measureEmbedded(ours.lmdb.peer, sqlite.sdk, how, { width: 50, size }));
    }
  }
  for (const cell of cells) {
    measured.push(await measureCell(contenders, cell));
    save();
  }
} finally {
  await stopAll();
}
