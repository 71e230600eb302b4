import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { featureSourceContract } from "@millwright/contracts/testing";
import { batchOf, column, toArray } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import fastify, { type FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openFeastFeatureSource } from "../src/drivers/feast.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { definitionsOfFeastRegistry, type FeastDefinitions, feastRoutes } from "../src/feast.ts";
import { type FeatureStore, openFeatureStore } from "../src/index.ts";
import { freePort } from "./free-port.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const found = spawnSync(python, ["-c", "import feast, pandas"]).status === 0;
const isWanted = found || process.env["CI"] === "true";
const missing = `${python} cannot import feast: pip install feast, and name that Python in MILLWRIGHT_PYTHON`;
const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/feast/${name}`, import.meta.url));
const environment = { ...process.env, FEAST_USAGE: "False", PYTHONWARNINGS: "ignore" };

async function run(folder: string, script: string, ...given: readonly string[]): Promise<string> {
  const options = { cwd: folder, env: environment, maxBuffer: 64 * 1024 * 1024 };
  return (await promisify(execFile)(python, [fixture(script), ...given], options)).stdout;
}

/** What Feast's client says of a repository: its last line, after what Feast says of its progress. */
async function clientOf(repository: string): Promise<Record<string, Record<string, unknown[]>>> {
  const lines = (await run(repository, "client.py", repository)).trim().split("\n");
  return JSON.parse(lines.at(-1) ?? "") as Record<string, Record<string, unknown[]>>;
}

/** A Feast repository with its definitions applied. */
async function openRepository(root: string, name: string, onlineStore: string): Promise<string> {
  const folder = join(root, name);
  await mkdir(folder);
  await copyFile(fixture("definitions.py"), join(folder, "definitions.py"));
  const settings = `project: proof
registry: registry.db
provider: local
online_store: ${onlineStore}
offline_store: {type: file}
entity_key_serialization_version: 3
`;
  await writeFile(join(folder, "feature_store.yaml"), settings);
  await run(folder, "cli.py", "apply");
  return folder;
}

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let own: string;
let remote: string;
let definitions: FeastDefinitions;
let store: FeatureStore;
let app: FastifyInstance;
/** What Feast's client said of its own SQLite store. */
let expected: Record<string, unknown>;
let feastServer: ChildProcess | undefined;
let feastUrl: string;

beforeAll(async () => {
  if (!isWanted) return;
  directory = await temporaryDirectory();
  const root = directory.path;
  await run(root, "rows.py", root);
  own = await openRepository(root, "own", "{type: sqlite, path: online.db}");
  const dump = await run(own, "cli.py", "registry-dump");
  definitions = definitionsOfFeastRegistry(JSON.parse(dump));
  await using duckdb = await openDuckDb();
  const { services, pushSources } = definitions;
  store = await openFeatureStore({ history: join(root, "history"), services, online: openMemoryOnlineStore() });
  for (const view of definitions.views) await store.ingest(view, await duckdb.scan(join(root, `${view.name}.parquet`)));
  app = fastify();
  await app.register(feastRoutes(store, { services, pushSources }));
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  remote = await openRepository(root, "remote", `{type: remote, path: "${url}"}`);
  expected = await clientOf(own);
  const port = await freePort();
  feastUrl = `http://127.0.0.1:${port}`;
  const serve = [fixture("cli.py"), "serve", "--host", "127.0.0.1", "--port", String(port), "--no-access-log"];
  feastServer = spawn(python, serve, { cwd: own, env: environment, stdio: "ignore" });
  const health = async (): Promise<void> => expect((await fetch(`${feastUrl}/health`)).status).toBe(200);
  await vi.waitFor(health, { timeout: 120_000, interval: 200 });
}, 600_000);

afterAll(async () => {
  if (feastServer !== undefined && feastServer.exitCode === null) {
    const gone = once(feastServer, "exit");
    feastServer.kill("SIGTERM");
    await gone;
  }
  await app?.close();
  await store?.[Symbol.asyncDispose]();
  await directory?.[Symbol.asyncDispose]();
}, 300_000);

test(
  "FS-33: Feast's own client reads, writes, pushes and materializes through our server as through its own SQLite store",
  { timeout: 600_000 },
  async ({ skip }) => {
    if (!isWanted) skip(missing);
    expect(definitions.unmapped).toEqual([]);
    const said = await clientOf(remote);
    expect(said).toEqual(expected);
    // What it is equal to is not nothing.
    expect(said["list"]).toMatchObject({
      driver_id: [4, 1, 2, 3, 99],
      rating: [3, 0.5, 4.25, null, null],
      car: ["e", "ü€", "c", null, null],
    });
    expect(said["written"]).toMatchObject({ rating: [2.5, 3, 1.25, 4.25], rank: [7, 7, 7, 3] });
    const refused = ["unknown", "unknown search", "search without vectors"].map((name) => said[name]);
    expect(refused).toEqual(["FeatureViewNotFoundException", "FeatureViewNotFoundException", "refused"]);
  },
);

const cities = ["Bern", "Oslo", "Rome"];
const entities = (numbers: readonly number[]) =>
  batchOf({
    driver_id: column(
      "int64",
      numbers.map((number) => BigInt(number < 0 ? 99 : number + 2)),
    ),
    city: column(
      "utf8",
      numbers.map((number) => cities[number] ?? "Nowhere"),
    ),
  });

for (const { name, appliesTo, run: runCase } of featureSourceContract) {
  test(`FS-33: feature source over a Feast server: ${name}`, async ({ skip }) => {
    if (!isWanted) skip(missing);
    const source = openFeastFeatureSource({ url: feastUrl, services: definitions.services });
    const given = { source, service: "ride", entities };
    if (appliesTo?.(given) === false) skip("the source has not what the case is about");
    await runCase(given);
  });
}

test("a Feast server and our store give the same vectors of the same Parquet", async ({ skip }) => {
  if (!isWanted) skip(missing);
  for (const view of definitions.views) await store.materialize(view, { upToMs: Date.now() });
  const source = openFeastFeatureSource({ url: feastUrl, services: definitions.services });
  const timeMs = Date.now();
  const request = { entities: entities([0, 1, 2, -1, 0]), timeMs };
  const [ours, theirs] = [await store.read("ride", request), await source.read("ride", request)];
  expect(columnsOf(theirs.features)).toEqual({
    ...columnsOf(ours.features),
    // Feast keeps whole seconds.
    stats__joined: toArray(ours.features.columns["stats__joined"]!).map((us) =>
      us === null ? null : ((us as bigint) / 1_000_000n) * 1_000_000n,
    ),
  });
  expect(theirs.views).toEqual(ours.views);
});

test("what a Feast server refuses is told with its words", async ({ skip }) => {
  if (!isWanted) skip(missing);
  const { services } = definitionsOfFeastRegistry(
    JSON.parse((await run(own, "cli.py", "registry-dump")).replaceAll('"weather"', '"whether"')),
  );
  const source = openFeastFeatureSource({ url: feastUrl, services });
  await expect(source.read("ride", { entities: entities([0]) })).rejects.toMatchObject({
    code: "FEATURE_STORE_FEAST_REFUSED",
    message: expect.stringContaining("Feature view whether does not exist in project proof") as string,
  });
});
