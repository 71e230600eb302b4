import { type Random, createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { createMlflowServer } from "../src/mlflow.ts";
import { openMlflowApp, startRun } from "./mlflow-app.ts";

interface Schema {
  readonly type?: string;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly string[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, unknown>>;
}

const pick = <Item>(random: Random, items: readonly Item[]): Item =>
  items[Math.floor(random.next() * items.length)] as Item;

/** What the fields of the routes are called, and what can stand there that is known. */
const known = (run: string, model: string): Readonly<Record<string, readonly string[]>> => ({
  run_id: [run],
  run_uuid: [run],
  model_id: [model],
  experiment_id: ["0", "1"],
  experiment_ids: ["0"],
  name: ["late", "later"],
  new_name: ["latest one", "late"],
  version: ["1", "2"],
  alias: ["champion", "latest"],
  stage: ["Production", "none"],
  stages: ["Staging"],
  status: ["FINISHED", "LOGGED_MODEL_READY"],
  source: [
    `runs:/${run}/model`,
    `models:/${model}`,
    "models:/late/1",
    `mlflow-artifacts:/0/${run}/artifacts`,
    "s3://a/b",
    "dbfs:/x",
  ],
  filter: [
    "name = 'late'",
    "params.a = '1'",
    "metrics.m > 0.5",
    "tags.t LIKE '%'",
    "run_id IN ('a')",
    "attributes.start_time > 1",
    "a =",
  ],
  order_by: ["name DESC", "metrics.m ASC", "start_time"],
  field_name: ["metrics.m", "name", "creation_timestamp"],
  page_token: [Buffer.from('{"offset":1}').toString("base64"), Buffer.from('{"offset":-1}').toString("base64"), "x"],
  path: [`0/${run}/artifacts/a.txt`, `0/models/${model}/artifacts/MLmodel`, "versions/late/1/MLmodel", "a/../b", ".."],
  key: ["m", "t", "a/b", "../x"],
  metric_key: ["m"],
  view_type: ["ALL"],
  run_view_type: ["DELETED_ONLY"],
  model_json: ['{"artifact_path":"m","flavors":{},"utc_time_created":"","run_id":""}'],
});

const hostile = [
  "",
  " ",
  "\u0000",
  "\ud800",
  "'; drop table registry_runs; --",
  "%",
  "__proto__",
  "9".repeat(400),
  "NaN",
  "1e999",
  "-1",
  "null",
  "é".repeat(300),
  "a\nb",
  "{",
  "..%2f",
];

function valueOf(random: Random, name: string, schema: Schema, words: ReturnType<typeof known>): unknown {
  const chance = random.next();
  if (chance < 0.08) return pick(random, [null, [], {}, [[]], { a: {} }, true, 1e308, -0.5, "x"]);
  if (schema.anyOf !== undefined) return valueOf(random, name, pick(random, schema.anyOf), words);
  if (schema.enum !== undefined) return pick(random, schema.enum);
  if (schema.type === "array")
    return Array.from({ length: Math.floor(random.next() * 4) }, () =>
      valueOf(random, name, schema.items ?? {}, words),
    );
  if (schema.type === "object")
    return Object.fromEntries(
      Object.entries(schema.properties ?? {})
        .filter(([each]) => random.next() < (schema.required?.includes(each) === true ? 0.97 : 0.6))
        .map(([each, of]) => [each, valueOf(random, each, of, words)]),
    );
  if (schema.type === "boolean") return random.next() < 0.5;
  if (schema.type === "integer" || schema.type === "number")
    return pick(random, [0, 1, -1, 2.5, 1e300, 9007199254740993, 1_700_000_000_000, Number.MAX_SAFE_INTEGER]);
  if (chance < 0.2) return pick(random, hostile);
  return pick(random, words[name] ?? ["a", "b", "1", "ann"]);
}

/** One request that the document describes, or nearly. */
function requestOf(
  random: Random,
  path: string,
  method: string,
  operation: Operation,
  words: ReturnType<typeof known>,
): Request {
  let url = path;
  const query = new URLSearchParams();
  for (const { name, in: place, schema, required } of operation.parameters) {
    const value = valueOf(random, name, schema, words);
    if (place === "path") {
      const text = String(value).replaceAll(/[\ud800-\udfff]/g, "?");
      url = url.replace(
        `{${name}}`,
        name === "path" && random.next() < 0.8 ? encodeURI(text) : encodeURIComponent(text),
      );
    } else if (required === true || random.next() < 0.5)
      for (const each of Array.isArray(value) ? value : [value])
        query.append(name, typeof each === "object" ? JSON.stringify(each) : String(each));
  }
  const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const text = content === undefined ? undefined : JSON.stringify(valueOf(random, "", content.schema, words));
  const body =
    text !== undefined && random.next() < 0.05 ? text.slice(0, Math.floor(random.next() * text.length)) : text;
  return new Request(`http://mill${url}?${query.toString()}`, {
    method: method.toUpperCase(),
    ...(body === undefined ? {} : { body, headers: { "content-type": type ?? "" } }),
  });
}

test(
  "whatever is sent to the routes of the OpenAPI document, none fails: a success is JSON, a refusal has a code",
  { timeout: 600_000 },
  async () => {
    await using app = await openMlflowApp();
    const run = await startRun(app);
    const { model } = await app.done("POST", "logged-models", { experiment_id: "0", name: "late" });
    await app.done("POST", "registered-models/create", { name: "late" });
    for (const source of ["s3://a/b", "s3://a/c"])
      await app.done("POST", "model-versions/create", { name: "late", source });
    await app.put(`0/${run}/artifacts/model/MLmodel`, "flavors: {}");
    const told: unknown[] = [];
    const logger = { debug() {}, info() {}, warn() {}, error: (error: unknown) => told.push(error) };
    const { registry, database, artifacts } = app;
    const server = createMlflowServer({ registry, database, artifacts, logger });
    const words = known(run, model.info.model_id as string);
    const operations = Object.entries(server.openApi["paths"] as Record<string, Record<string, Operation>>).flatMap(
      ([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );
    expect(operations.length).toBeGreaterThanOrEqual(60);
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
    const random = createRandom(8);
    const done = new Set<string>();
    for (let round = 0; round < 25; round += 1) {
      for (const { path, method, operation } of operations) {
        const request = requestOf(random, path, method, operation, words);
        const said = `${method} ${request.url}`;
        const response = await server.handle(request);
        const text = await response.text();
        const isDeclined = response.status === 501 && path.includes("/mpu/");
        expect([said, response.status < 500 || isDeclined, told]).toEqual([said, true, []]);
        if (response.status === 200) done.add(operation.operationId);
        else
          expect(JSON.parse(text), said).toMatchObject({
            error_code: expect.stringMatching(/^[A-Z_]+$/),
            message: expect.any(String),
          });
      }
    }
    // Most of what was sent was understood: the routes themselves were reached, and not only their checks.
    expect(done.size).toBeGreaterThanOrEqual(operations.length * 0.7);
  },
);
