import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import * as api from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { CapturedPrediction, ModelRuntime, Redactor } from "@millwright/contracts";
import { openSqlite } from "@millwright/storage";
import { openModelServer } from "@millwright/serving";
import { createRedactor, createTokenVault, openDataCapture } from "@millwright/serving/capture";
import { afterEach, describe, expect, it } from "vitest";
import { capturedLines, filesBelow, temporary } from "./capture-files.ts";
import { denseRuntime, packFolder } from "./models.ts";

const key = Buffer.from("a key of more than thirty-two bytes");
const row = [0.1, -0.2, 0.3, 0.4];

describe("a redactor", () => {
  it("keeps, drops, masks, hashes, tokenizes and bucketises by class, and masks what nobody named", () => {
    const vault = createTokenVault({ key });
    const redactor = createRedactor({
      fields: {
        a: "keep",
        b: "drop",
        c: "mask",
        email: "pii",
        card: "secret",
        age: "years",
        wide: { buckets: [0, 10] },
      },
      classes: { pii: "hash", secret: "tokenize", years: { buckets: [18, 65] } },
      key,
      vault,
    });
    const ask = redactor.redact;
    expect([ask("a", "x"), ask("b", "x"), ask("c", "x"), ask("other", 7), ask("c", null)]).toEqual([
      "x",
      null,
      "[redacted]",
      "[redacted]",
      null,
    ]);
    expect(ask("email", "ada@example.org")).toMatch(/^hmac:[\w-]{43}$/);
    expect(ask("email", "ada@example.org")).toBe(ask("email", "ada@example.org"));
    expect(ask("email", "bob@example.org")).not.toBe(ask("email", "ada@example.org"));
    expect(
      createRedactor({ fields: { email: "hash" }, key: Buffer.alloc(16, 1) }).redact("email", "ada@example.org"),
    ).not.toBe(ask("email", "ada@example.org"));
    expect(["17.9", 18, 64, 65, 1e9, -5, "old"].map((age) => ask("age", age))).toEqual([
      "(-inf, 18)",
      "[18, 65)",
      "[18, 65)",
      "[65, inf)",
      "[65, inf)",
      "(-inf, 18)",
      "[redacted]",
    ]);
    expect(ask("wide", [[-1, 5]])).toEqual([["(-inf, 0)", "[0, 10)"]]);
    const token = ask("card", "4111 1111") as string;
    expect(token).toMatch(/^tok:/);
    expect(Buffer.from(token.slice(4), "base64url").toString("latin1")).not.toContain("4111");
    expect(vault.reveal("card", token)).toBe("4111 1111");
    expect(() => vault.reveal("email", token)).toThrow(expect.objectContaining({ code: "SERVING_TOKEN_UNREADABLE" }));
    expect(() => createTokenVault({ key: Buffer.alloc(32) }).reveal("card", token)).toThrow(
      expect.objectContaining({ code: "SERVING_TOKEN_UNREADABLE" }),
    );
    expect(() => createRedactor({ fields: { a: "secrte" } })).toThrow(RangeError);
    expect(() => createRedactor({ fields: { a: "hash" } })).toThrow(RangeError);
  });
});

afterEach(() => api.trace.disable());

/** A value that must not be found. */
const canary = (at: number): string => `canary-${at}-ada.lovelace@example.org`;

describe("redaction", () => {
  it("SV-40: leaves no canary in any byte of captures, predictions, logs and databases, also where requests or the redactor itself fail by messages that quote it", async () => {
    await using place = await temporary();
    await using folder = await packFolder(1);
    const write = (name: string, value: unknown): void =>
      appendFileSync(
        join(place.path, name),
        `${JSON.stringify(value, (_, each: unknown) =>
          each instanceof Error
            ? { message: each.message, stack: each.stack, cause: each.cause }
            : typeof each === "bigint"
              ? String(each)
              : each,
        )}\n`,
      );
    const log = (fields: object, message: string): void => write("log.jsonl", { ...fields, message });
    const classes: Redactor = createRedactor({
      fields: {
        email: "pii",
        card: "secret",
        name: "drop",
        features: "keep",
        predictions: "keep",
        probability: "keep",
      },
      classes: { pii: "hash", secret: "tokenize" },
      key,
      vault: createTokenVault({ key }),
    });
    const failing: Redactor = {
      redact(name, value) {
        if (name === "broken") throw new TypeError(`cannot redact ${JSON.stringify(value)}`);
        return classes.redact(name, value);
      },
    };
    await using database = await openSqlite(join(place.path, "serving.db"));
    const capture = await openDataCapture({
      directory: join(place.path, "capture"),
      sampleShare: 1,
      maxDiskShare: 1,
      redactor: failing,
      inputColumns: ["features", "features", "features", "features"],
      logger: { debug: log, info: log, warn: log, error: log },
    });
    const server = await openModelServer({
      source: folder.source,
      runtimes: [denseRuntime()],
      endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
      database,
      redactor: failing,
      exchanges: capture,
      predictions: {
        capture: (prediction: CapturedPrediction) => {
          if (prediction.requestId === "throws") throw new TypeError(`no room for ${canary(0)}`);
          write("predictions.jsonl", prediction);
        },
      },
      logger: { debug: log, info: log, warn: log, error: log },
    });
    const post = async (
      instances: unknown,
      { type = "application/json", id = "r", ...more }: Readonly<Record<string, string>> = {},
    ): Promise<number> => {
      const headers = { "content-type": type, "x-request-id": id };
      const body = type === "application/json" ? JSON.stringify({ instances, ...more }) : String(instances);
      const { status } = await server.handle(
        new Request("http://localhost/invocations", { method: "POST", body, headers }),
      );
      return status;
    };
    const statuses: number[] = [];
    for (let at = 1; at <= 20; at += 1) {
      const person = { email: canary(at), card: canary(at), name: canary(at), note: canary(at) };
      statuses.push(await post([row], person));
      statuses.push(await post([row], { broken: canary(at) }));
      statuses.push(await post([row], { ...person, id: "throws" }));
      statuses.push(await post([{ features: canary(at) }], person));
      statuses.push(await post([canary(at)]));
      statuses.push(
        await post(
          `${canary(at)},1,2,3
`,
          { type: "text/csv" },
        ),
      );
      statuses.push(await post(`{"instances":[["${canary(at)}`, { type: "application/x-unknown" }));
    }
    const people = await openDataCapture({
      directory: join(place.path, "people"),
      sampleShare: 1,
      maxDiskShare: 1,
      redactor: failing,
      inputColumns: ["email", "card", "name", "features"],
    });
    people.exchange({
      endpoint: "late",
      variant: "main",
      input: { contentType: "text/csv", bytes: Buffer.from(`${canary(50)},"${canary(51)}",${canary(52)},1\n`) },
      output: { contentType: "application/json", bytes: '{"predictions":[1]}' },
    });
    people.exchange({
      endpoint: "late",
      variant: "main",
      input: { contentType: "application/octet-stream", bytes: Buffer.from(canary(53)) },
      output: { contentType: "application/json", bytes: '{"predictions":[1]}' },
    });
    await server.drain();
    await capture[Symbol.asyncDispose]();
    await people[Symbol.asyncDispose]();
    expect(people.counts()).toMatchObject({ written: 1, dropped: { redaction: 1 } });
    await database[Symbol.asyncDispose]();
    expect(statuses.filter((status) => status === 200)).toHaveLength(60);
    expect(statuses.filter((status) => status >= 400 && status < 500)).toHaveLength(80);
    const files = await filesBelow(place.path);
    for (const name of ["log.jsonl", "predictions.jsonl", "serving.db"]) expect([...files.keys()]).toContain(name);
    const leaks = [...files].filter(
      ([path, bytes]) => /canary|lovelace/i.test(path) || /canary|lovelace/i.test(bytes.toString("latin1")),
    );
    expect(leaks.map(([path]) => path)).toEqual([]);
    // What could be redacted was written, what could not is only counted.
    const lines = await capturedLines(join(place.path, "capture"));
    const { written, dropped } = capture.counts();
    expect(lines).toHaveLength(written);
    expect(written).toBe(40);
    expect(dropped.redaction).toBe(20);
    expect(lines.some(({ captureData }) => captureData.endpointInput?.data.includes("hmac:"))).toBe(true);
    expect(lines.some(({ captureData }) => captureData.endpointInput?.data.includes("tok:"))).toBe(true);
  });

  it("SV-40: tells no span and no line of the log what a refused request held, nor what a model or sink quotes of it; its caller is told", async () => {
    await using folder = await packFolder(1);
    const exporter = new InMemorySpanExporter();
    api.trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
    const said: unknown[] = [];
    const log = (fields: object, message: string): void => void said.push({ ...fields, message });
    await using server = await openModelServer({
      source: folder.source,
      runtimes: [quotingRuntime()],
      endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
      openTelemetry: api,
      redactor: createRedactor({ fields: {} }),
      predictions: {
        capture() {
          throw `no room for ${canary(1)}`;
        },
      },
      logger: { debug: log, info: log, warn: log, error: log },
    });
    const post = async (path: string, body: unknown): Promise<string> => {
      const headers = { "content-type": "application/json" };
      const request = new Request(`http://localhost${path}`, { method: "POST", body: JSON.stringify(body), headers });
      const answer = await server.handle(request);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      return answer.text();
    };
    const answers = [
      await post("/invocations", { instances: [[1, 2, 3, canary(2)]] }),
      await post("/invocations", { instances: [{ [canary(3)]: 1 }] }),
      await post("/invocations", { inputs: { features: [[canary(4)]] } }),
      await post("/v2/models/late/infer", {
        inputs: [{ name: canary(5), datatype: "FP32", shape: [1, 4], data: row }],
      }),
      await post("/v1/models/late:predict", { instances: [[1, 2, 3, canary(6)]] }),
      await post("/invocations", { instances: [[60_000_000_001, 2, 3, 4]] }),
    ];
    expect(answers.some((text) => text.includes("canary"))).toBe(true);
    await server
      .predict("late", { inputs: { features: { dtype: "float32", shape: [1, 3], data: new Float32Array(3) } } })
      .catch(() => {});
    const spans = exporter.getFinishedSpans();
    expect(spans.some(({ events }) => events.some(({ name }) => name === "exception"))).toBe(true);
    expect(spans.some(({ status }) => status.message === "SERVING_MODEL_FAILED")).toBe(true);
    expect(said).not.toEqual([]);
    // Also what no JSON would show.
    const told = inspect(
      [spans.map(({ name, attributes, events, status }) => ({ name, attributes, events, status })), said],
      {
        depth: 20,
        maxStringLength: null,
        maxArrayLength: null,
        showHidden: true,
      },
    );
    expect(told).not.toMatch(/canary|lovelace|60000000/i);
  });
});

/** A model that tells, when it fails, what it was asked. */
function quotingRuntime(): ModelRuntime {
  const dense = denseRuntime();
  return {
    formats: dense.formats,
    async load(...options) {
      const loaded = await dense.load(...options);
      return {
        ...loaded,
        async predict(inputs, call) {
          const first = Number(inputs["features"]?.data[0]);
          if (first > 1e9) throw new TypeError(`cannot compute with ${Math.round(first)}, ${canary(9)}`);
          return loaded.predict(inputs, call);
        },
      };
    },
  };
}
