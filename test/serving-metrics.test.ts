import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as model from "../packages/model/dist/index.js";
import * as monitor from "../packages/monitor/dist/index.js";
import * as serving from "../packages/serving/dist/index.js";

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The text format 0.0.4 of Prometheus, by its words: what is not in it throws. */
function parseExposition(text: string): Sample[] {
  if (!text.endsWith("\n")) throw new TypeError("The last line does not end.");
  const types = new Map<string, string>();
  const seen = new Set<string>();
  const closed = new Set<string>();
  let current = "";
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const head = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
    if (head !== null) {
      const [, kind, name = "", rest = ""] = head;
      if (kind === "TYPE") {
        if (types.has(name)) throw new TypeError(`${name} has two types.`);
        if (!/^(counter|gauge|histogram|summary|untyped)$/.test(rest)) throw new TypeError(`${rest} is no type.`);
        types.set(name, rest);
      }
      continue;
    }
    const parts = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (NaN|[+-]Inf|[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/.exec(line);
    if (parts === null) throw new TypeError(`No sample: ${line}`);
    const [, name = "", inner = "", value = ""] = parts;
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "");
    if (!types.has(family)) throw new TypeError(`${name} has no type.`);
    if (family !== current) {
      if (closed.has(family)) throw new TypeError(`The samples of ${family} are not together.`);
      closed.add(current);
      current = family;
    }
    const labels: Record<string, string> = {};
    let at = 0;
    const label = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(?:,|$)/y;
    while (at < inner.length) {
      label.lastIndex = at;
      const match = label.exec(inner);
      if (match === null) throw new TypeError(`No labels: ${inner}`);
      labels[match[1] ?? ""] = match[2] ?? "";
      at = label.lastIndex;
    }
    const key = `${name}${JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)))}`;
    if (seen.has(key)) throw new TypeError(`${key} stands there twice.`);
    seen.add(key);
    samples.push({ name, labels, value: Number(value.replace("Inf", "Infinity")) });
  }
  return samples;
}

test("SV-37: what a server has counted is scraped over HTTP, read by a strict parser, and right; made-up variants do not fill the memory", async () => {
  const root = await mkdtemp(join(tmpdir(), "millwright-metrics-"));
  const dense = model.writeDenseModel([{ kernel: [0.5, 0.25], bias: [0.1], activation: "sigmoid" }]);
  await model.packModel(join(root, "late", "3"), { name: "late", format: "dense", ...dense });
  const meter = monitor.createMeter();
  const server = await serving.openModelServer({
    source: model.openDirectoryModelSource(root),
    runtimes: [model.denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/3", weight: 1 } }, admission: {} } },
    meter,
    metrics: meter,
  });
  const ask = (instances: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
    server.handle(
      new Request("http://localhost/invocations", {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({ instances }),
      }),
    );
  for (let at = 0; at < 5; at += 1) expect((await ask([[1, 2]])).status).toBe(200);
  for (let at = 0; at < 3; at += 1) expect((await ask([[1, 2, 3]])).status).toBe(400);
  for (let at = 0; at < 1500; at += 1)
    await ask([[1, 2]], {
      "x-amzn-sagemaker-target-variant": `v${at}`,
      "x-request-id": `r${at}`,
      "x-millwright-tenant": `t${at}`,
    });
  const scraped = await server.handle(new Request("http://localhost/metrics"));
  expect(scraped.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const samples = parseExposition(await scraped.text());
  const of = (name: string, labels: Readonly<Record<string, string>>): number | undefined =>
    samples.find(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    )?.value;
  const main = { endpoint: "late", variant: "main", version: "3" };
  expect(of("millwright_serving_requests_total", main)).toBe(8);
  expect(of("millwright_serving_invocation_4xx_errors_total", main)).toBe(3);
  expect(of("millwright_serving_errors_total", { ...main, code: "SERVING_INPUT_INVALID" })).toBe(3);
  expect(of("millwright_serving_invocation_5xx_errors_total", main)).toBeUndefined();
  expect(of("millwright_serving_latency_seconds_count", main)).toBe(8);
  expect(of("millwright_serving_model_latency_seconds_count", main)).toBe(5);
  expect(of("millwright_serving_overhead_latency_seconds_count", main)).toBe(5);
  expect(of("millwright_serving_latency_seconds_bucket", { ...main, le: "+Inf" })).toBe(8);
  expect(of("millwright_serving_batch_rows_sum", { endpoint: "late" })).toBe(5);
  expect(of("millwright_serving_in_flight", { endpoint: "late" })).toBe(0);
  expect(of("millwright_serving_concurrency_limit", { endpoint: "late" })).toBeGreaterThan(0);
  // 1,500 names that are no variant's make one series.
  expect(of("millwright_serving_invocation_4xx_errors_total", { endpoint: "late", variant: "", version: "" })).toBe(
    1500,
  );
  expect(samples.length).toBeLessThan(200);
  await server.drain();
  await rm(root, { recursive: true });
});
