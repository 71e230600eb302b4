import { writeFile } from "node:fs/promises";
import fastify from "../../packages/registry/node_modules/fastify/fastify.js";
import { allowAll } from "../../packages/contracts/dist/index.js";
import type { Registry } from "../../packages/registry/dist/index.js";
import * as openlineage from "../../packages/registry/dist/openlineage.js";
import type { Database } from "../../packages/storage/dist/index.js";
import { methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const event: openlineage.OpenLineageEvent = {
  eventTime: "2026-01-05T06:00:00Z",
  producer: "https://example.com/airflow",
  schemaURL: "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent",
  job: { namespace: "airflow", name: "nightly" },
};
const name = { namespace: "file", name: "/data" };

/** Lineage out and in. */
export async function openlineageSubjects(folder: string, registry: Registry, database: Database): Promise<Subjects> {
  const target = { id: "console", transport: openlineage.consoleTransport({ write: () => {} }), types: ["audit.none"] };
  const emitter = await openlineage.openLineageEmitter({ registry, database, targets: [target] });
  const ndjson = `${folder}/lineage.ndjson`;
  await writeFile(ndjson, `${JSON.stringify(event)}\n`);
  const wrong = `${folder}/wrong.ndjson`;
  await writeFile(wrong, "{}\n");
  const http = openlineage.httpTransport({ url: "http://127.0.0.1:9", timeoutMs: 100 });
  const file = openlineage.fileTransport({ path: `${folder}/told.ndjson` });
  const quiet = openlineage.consoleTransport({ write: () => {} });
  const made = { kind: "run", id: "r1" } as const;
  const happened = {
    specversion: "1.0",
    id: "0199aaaa-0000-7000-8000-00000000000b",
    source: "mill",
    type: "run.started",
    subject: "r1",
    time: "2026-01-05T06:00:00.000Z",
    datacontenttype: "application/json",
    data: { made: [made], from: [{ kind: "dataset", id: "d1", name: "flights" }] },
  };
  const server = openlineage.createLineageServer({ registry });
  const asked = () => new Request("http://mill/api/v1/lineage", { method: "POST", body: JSON.stringify(event) });
  return {
    openLineageEmitter: well(
      openlineage.openLineageEmitter,
      () => [{ registry, database, targets: [], signal }],
      {},
      20,
    ),
    ...methods("openLineageEmitter()", () => emitter, {
      state: [() => ["console", { signal }], { REGISTRY_OPENLINEAGE_TARGET_UNKNOWN: () => emitter.state("other") }, 12],
      replay: [() => ["console", 0, { signal }], {}, 12],
    }),
    tellEvent: well(openlineage.tellEvent, () => [
      happened,
      { namespace: "mill", producer: "pkg:npm/mill", version: "1", facts: {} },
    ]),
    httpTransport: well(openlineage.httpTransport, () => [{ url: "http://host", endpoint: "lineage", timeoutMs: 5 }]),
    fileTransport: well(openlineage.fileTransport, () => [{ path: `${folder}/told.ndjson` }]),
    consoleTransport: well(openlineage.consoleTransport, () => [{ write: () => {} }]),
    ...methods("httpTransport()", () => http, { send: [() => [event, { signal }], {}, 6] }),
    ...methods("fileTransport()", () => file, { send: [() => [event, { signal }], {}, 12] }),
    ...methods("consoleTransport()", () => quiet, { send: [() => [event, { signal }], {}, 12] }),
    importLineageFile: well(
      openlineage.importLineageFile,
      () => [registry, ndjson, { by: "ann", signal }],
      { REGISTRY_OPENLINEAGE_INVALID: () => openlineage.importLineageFile(registry, wrong) },
      12,
    ),
    createLineageServer: well(
      openlineage.createLineageServer,
      () => [{ registry, authorizer: allowAll, authenticate: () => "ann", maxBodyBytes: 1e6 }],
      { RangeError: () => openlineage.createLineageServer({ registry, maxBodyBytes: 0 }) },
    ),
    ...methods("createLineageServer()", () => server, {
      handle: [() => [asked(), { prefix: "/mill" }], {}, 40],
      fastify: [() => [fastify(), {}], {}, 0],
    }),
    datasetNameOf: well(openlineage.datasetNameOf, () => ["s3://bucket/key"]),
    openLineageId: well(openlineage.openLineageId, () => [name]),
    openLineageColumnId: well(openlineage.openLineageColumnId, () => [name, "wind"]),
    openLineageRunId: well(openlineage.openLineageRunId, () => [made]),
  };
}
