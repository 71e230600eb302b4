// Our registry embedded, and through its face for MLflow's clients, against MLflow's server on SQLite: the same calls by the same client, one after the
// other in one run, each answer on the disk (both sides fsync each commit). Run it after `npx tsc -b`, with a Python that has mlflow in
// MILLWRIGHT_MLFLOW3_PYTHON: node benchmarks/registry/registry.mjs <result.json> [workers of MLflow] [rounds] [sizes, such as 1000,10000,100000] [points] [all, writes or reads]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machine, median, pairedRatio, usageOfTree } from "../feature-store/referee.mjs";
import { openRegistry } from "../../packages/registry/dist/index.js";
import { openDirectoryArtifactStore, openSqlite } from "../../packages/storage/dist/index.js";
import { openDatabase } from "./raw-sqlite.mjs";
import { startFace, startMlflow, stopServers } from "./servers.mjs";
import { seedMlflow, seedOurs } from "./seed.mjs";

const [resultPath, workers = "1", rounds = "6", sizes = "1000,10000,100000", points = "1000000", part = "all"] =
  process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "millwright-registry-benchmark-"));
const python = process.env.MILLWRIGHT_MLFLOW3_PYTHON ?? "python3";
const result = { machine: machine(), workers, rows: [] };

async function call(server, method, path, body) {
  // A connection that idled while tables were filled may have been closed by its server.
  const ask = () =>
    fetch(`${server.url}/api/2.0/mlflow/${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
  const response = await ask().catch(ask);
  const answer = await response.json();
  if (response.status !== 200) throw new TypeError(`${server.name} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Wall milliseconds, and processor milliseconds of the process and its children. */
async function timed(pid, work) {
  const cpu = 1000 * usageOfTree(pid).cpuSeconds;
  const began = performance.now();
  await work();
  return { wallMs: performance.now() - began, cpuMs: 1000 * usageOfTree(pid).cpuSeconds - cpu };
}

/** Each side once a round, in turn; what one unit of the work costs. */
async function compare(workload, sides, units = 1, count = Number(rounds)) {
  const taken = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
  for (let round = -1; round < count; round += 1)
    for (const [name, { pid, work }] of Object.entries(sides)) {
      const each = await timed(pid, () => work(round + 1));
      if (round >= 0) taken[name].push(each);
    }
  const wall = (name) => taken[name].map(({ wallMs }) => wallMs / units);
  const [first] = Object.keys(sides);
  const row = { workload, load: machine().load[0] };
  for (const name of Object.keys(sides)) {
    row[name] = {
      wallMs: median(wall(name)),
      cpuMs: taken[name].reduce((sum, { cpuMs }) => sum + cpuMs, 0) / units / count,
    };
    if (name !== first) row[name].ratio = pairedRatio(wall(first), wall(name));
  }
  result.rows.push(row);
  console.log(JSON.stringify(row));
}

const batch = (from) =>
  Array.from({ length: 1000 }, (_, index) => ({
    key: `m${index % 10}`,
    value: index / 3,
    timestamp: 1000 + index,
    step: from + index,
  }));

async function main() {
  const [theirs, ours] = [await startMlflow(python, folder, workers), await startFace(folder)];
  const database = await openSqlite(join(folder, "embedded.db"), { durability: "full" });
  const artifacts = await openDirectoryArtifactStore(join(folder, "embedded"));
  const registry = await openRegistry({ database, artifacts, directory: join(folder, "staged-embedded") });
  const handle = await registry.startRun({ experiment: "benchmark" });
  for (const server of [theirs, ours])
    server.run = (await call(server, "POST", "runs/create", { experiment_id: "0", start_time: 1 })).run.info.run_id;
  const sides = { theirs, ours, registry, handle, artifacts };
  if (part !== "reads") await logs(sides);
  if (part !== "reads") await records(sides);
  if (part !== "writes") await searches(sides);
  if (part !== "writes") await histories(sides);
  await rawSqlite(handle);
  for (const each of [registry, database]) await each[Symbol.asyncDispose]();
}

const over = ({ theirs, ours }, work) => ({
  MLflow: { pid: theirs.pid, work: (round) => work(theirs, round) },
  face: { pid: ours.pid, work: (round) => work(ours, round) },
});
const self = (work) => ({ embedded: { pid: process.pid, work } });

async function logs(sides) {
  const { handle } = sides;
  await compare("log_batch of 1000 points", {
    ...over(sides, (server, round) =>
      call(server, "POST", "runs/log-batch", { run_id: server.run, metrics: batch(round * 1000) }),
    ),
    ...self((round) =>
      handle.log(
        {
          metrics: batch(round * 1000).map(({ key: name, value, timestamp: timeMs, step }) => ({
            name,
            value,
            timeMs,
            step,
          })),
        },
        { durability: "fsync" },
      ),
    ),
  });
  const one = (server, step) =>
    call(server, "POST", "runs/log-metric", { run_id: server.run, key: "one", value: step, timestamp: step, step });
  let step = 0;
  await compare(
    "one point, one client",
    {
      ...over(sides, async (server) => {
        for (let each = 0; each < 10; each += 1) await one(server, (step += 1));
      }),
      ...self(async () => {
        for (let each = 0; each < 10; each += 1)
          await handle.log({ metrics: [{ name: "one", value: 1, step: (step += 1) }] }, { durability: "fsync" });
      }),
    },
    10,
  );
  await compare(
    "one point, eight clients",
    {
      ...over(sides, (server) =>
        Promise.all(
          Array.from({ length: 8 }, async () => {
            for (let each = 0; each < 4; each += 1) await one(server, (step += 1));
          }),
        ),
      ),
      ...self(() =>
        Promise.all(
          Array.from({ length: 32 }, () =>
            handle.log({ metrics: [{ name: "one", value: 1, step: (step += 1) }] }, { durability: "fsync" }),
          ),
        ),
      ),
    },
    32,
  );
}

async function records(sides) {
  const { registry } = sides;
  await compare("create a run", {
    ...over(sides, (server) => call(server, "POST", "runs/create", { experiment_id: "0", start_time: 1 })),
    ...self(() => registry.startRun({ experiment: "benchmark" })),
  });
  await compare(
    "register, alias, resolve",
    over(sides, async (server, round) => {
      const name = `model-${server.name}-${round}`;
      const { run } = await call(server, "GET", `runs/get?run_id=${server.run}`);
      await fetch(
        `${server.url}/api/2.0/mlflow-artifacts/artifacts/${run.info.artifact_uri.replace("mlflow-artifacts:/", "")}/model/MLmodel`,
        { method: "PUT", body: "flavors: {}" },
      );
      await call(server, "POST", "registered-models/create", { name });
      await call(server, "POST", "model-versions/create", {
        name,
        source: `${run.info.artifact_uri}/model`,
        run_id: server.run,
      });
      await call(server, "POST", "registered-models/alias", { name, alias: "champion", version: "1" });
      await call(server, "GET", `registered-models/alias?name=${name}&alias=champion`);
    }),
  );
}

async function searches(sides) {
  const { theirs, ours } = sides;
  const query = {
    experiment_ids: ["0"],
    filter: "metrics.loss < 0.5 and metrics.accuracy > 0.5 and params.units = '3'",
    order_by: ["metrics.loss ASC"],
    max_results: 50,
  };
  let from = 0;
  for (const to of sizes.split(",").map(Number)) {
    const isLast = to === Number(sizes.split(",").at(-1));
    const curve = (server) => (isLast ? { run: server.run, count: Number(points) } : undefined);
    seedMlflow(join(folder, "mlflow.db"), { from, to }, curve(theirs));
    seedOurs(join(folder, "mill.db"), { from, to }, curve(ours));
    from = to;
    const found = await Promise.all(
      [theirs, ours].map(async (server) =>
        (await call(server, "POST", "runs/search", query)).runs.map(({ info }) => info.run_id),
      ),
    );
    if (JSON.stringify(found[0]) !== JSON.stringify(found[1]))
      throw new TypeError(`The sides found other runs of ${to}.`);
    await compare(
      `search ${to} runs`,
      over(sides, (server) => call(server, "POST", "runs/search", query)),
      1,
      3,
    );
  }
}

async function histories(sides) {
  const { ours, artifacts } = sides;
  const history = async (server) => {
    let read = 0;
    let page = "";
    do {
      const query_ = new URLSearchParams({
        run_id: server.run,
        metric_key: "curve",
        max_results: "25000",
        ...(page === "" ? {} : { page_token: page }),
      });
      const answer = await call(server, "GET", `metrics/get-history?${query_}`);
      read += answer.metrics.length;
      page = answer.next_page_token ?? "";
    } while (page !== "");
    if (read !== Number(points)) throw new TypeError(`${server.name} gave ${read} points.`);
  };
  const beside = await openSqlite(join(folder, "mill.db"), { durability: "full" });
  const reader = await openRegistry({ database: beside, artifacts, directory: join(folder, "staged-embedded") });
  await compare(
    `history of ${points} points`,
    {
      ...over(sides, history),
      ...self(async () => {
        if ((await reader.series(ours.run, "curve")).length !== Number(points))
          throw new TypeError("Points are missing.");
      }),
    },
    1,
    1,
  );
  for (const each of [reader, beside]) await each[Symbol.asyncDispose]();
}

/** 1000 points of ten metrics a transaction, as rows by prepared statements of the same binding: processor time of this process. */
async function rawSqlite(handle) {
  const raw = openDatabase(join(folder, "raw.db"));
  raw.exec(
    "pragma journal_mode = wal; pragma synchronous = full; create table metrics (run text, key text, step integer, time integer, value real, primary key (run, key, step, time)) without rowid",
  );
  const insert = raw.prepare("insert into metrics values (?, ?, ?, ?, ?)");
  await compare(
    "20 batches of 1000 points, raw SQLite",
    {
      raw: {
        pid: process.pid,
        work: (round) => {
          for (let each = 0; each < 20; each += 1) {
            raw.exec("begin");
            for (const { key, step, timestamp, value } of batch((round * 20 + each) * 1000))
              insert.run("r", key, step, timestamp, value);
            raw.exec("commit");
          }
        },
      },
      embedded: {
        pid: process.pid,
        work: async (round) => {
          for (let each = 0; each < 20; each += 1)
            await handle.log(
              {
                metrics: batch((round * 20 + each) * 1000).map(({ key, value, timestamp: timeMs, step }) => ({
                  name: `raw-${key}`,
                  value,
                  timeMs,
                  step,
                })),
              },
              { durability: "fsync" },
            );
        },
      },
    },
    20,
  );
  raw.close();
}

// Whoever stops this run does not leave its servers behind.
process.once("SIGTERM", () => {
  stopServers();
  process.exit(143);
});

try {
  await main();
} finally {
  result.after = machine().load;
  writeFileSync(resultPath, `${JSON.stringify(result, null, 2)}\n`);
  stopServers();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(0);
