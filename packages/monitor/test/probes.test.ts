import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createManualClock, createRandom, type Tensors } from "@millwright/contracts";
import { goldenRequest } from "@millwright/model";
import { expect, test } from "vitest";
import { defineSlo, openMonitor } from "../src/index.ts";
import { goldenProbes, jsonProbe, openProbes, type Probe, type ProbeResult } from "../src/probes.ts";

const weights = [0.5, -1, 2];
const answerOf = (rows: readonly (readonly number[])[], by: readonly number[]): number[] =>
  rows.map((row) => 1 / (1 + Math.exp(-row.reduce((sum, value, at) => sum + value * (by[at] ?? 0), 0))));

/** A model that answers over HTTP, and answers 200 whatever it holds. */
async function serve(): Promise<{
  readonly server: Server;
  readonly url: string;
  weights: readonly number[];
  silent: boolean;
}> {
  const remote = { weights: weights as readonly number[], silent: false };
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (part) => (text += String(part)));
    request.on("end", () => {
      if (remote.silent) return;
      const { rows } = JSON.parse(text) as { rows: number[][] };
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ probabilities: answerOf(rows, remote.weights), model: "late" }));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return Object.assign(remote, { server, url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}` });
}

const post = async (
  url: string,
  rows: readonly (readonly number[])[],
  signal: AbortSignal | undefined,
): Promise<{ readonly probabilities: number[] }> => {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify({ rows }), signal: signal ?? null });
  expect(answer.status).toBe(200);
  return (await answer.json()) as { probabilities: number[] };
};

test("DB-18: a model that answers 200 and wrong is caught by its golden requests, for its variant and region, and costs its objective", async () => {
  const remote = await serve();
  try {
    const random = createRandom(3);
    const golden = [1, 4].map((count) => {
      const rows = Array.from({ length: count }, () => weights.map(() => random.normal()));
      return goldenRequest(
        { features: { dtype: "float64", shape: [count, 3], data: Float64Array.from(rows.flat()) } },
        { probability: { dtype: "float64", shape: [count], data: Float64Array.from(answerOf(rows, weights)) } },
        1e-9,
      );
    });
    const ask = async (
      { features }: Tensors,
      { signal }: { readonly signal?: AbortSignal | undefined },
    ): Promise<Tensors> => {
      const data = Array.from((features?.data ?? []) as Float64Array);
      const rows = Array.from({ length: data.length / 3 }, (_, row) => data.slice(row * 3, row * 3 + 3));
      const { probabilities } = await post(remote.url, rows, signal);
      return { probability: { dtype: "float64", shape: [rows.length], data: Float64Array.from(probabilities) } };
    };
    const clock = createManualClock(Date.UTC(2026, 0, 1));
    const sli = { subject: "endpoint/late", classify: () => undefined };
    const results: ProbeResult[] = [];
    const counting = { monitor: undefined as ReturnType<typeof openMonitor> | undefined };
    await using probes = openProbes({
      probes: goldenProbes({
        manifest: { name: "late", golden },
        ask,
        endpoint: "late",
        variant: "main",
        region: "eu",
      }),
      scheduled: false,
      clock,
      onResult: (result) => {
        results.push(result);
        counting.monitor?.count("answers", result.outcome === "right" ? 1 : 0, 1);
      },
    });
    await using monitor = openMonitor({
      clock,
      slos: [defineSlo({ name: "answers", objective: 0.9, sli })],
      rules: [probes.alert()],
    });
    counting.monitor = monitor;
    expect(await monitor.evaluate()).toEqual([]);
    await probes.run();
    expect(await monitor.evaluate()).toEqual([]);
    expect(results.map(({ outcome }) => outcome)).toEqual(["right", "right"]);
    // Someone deployed other weights: every answer is a 200, and a probability.
    remote.weights = [0.5, -1, 2.1];
    await probes.run();
    expect(await monitor.evaluate()).toEqual([]);
    await probes.run();
    const [alert] = await monitor.evaluate();
    expect(alert).toMatchObject({
      name: "probe",
      subject: "endpoint/late/variant/main/region/eu",
      severity: "page",
      value: 2,
      threshold: 2,
    });
    expect(alert?.summary).toMatch(
      /^The probe "late\/main\/eu\/golden-0" was wrong 2 times in a row: probability\[0\] should be 0\.\d+ and is 0\.\d+ \(tolerance 1e-9\)$/,
    );
    expect(monitor.slo("answers")).toMatchObject({ good: 2, total: 6 });
    remote.weights = weights;
    await probes.run();
    expect(await monitor.evaluate()).toEqual([]);
    expect([...probes.results().values()].map(({ outcome }) => outcome)).toEqual(["right", "right"]);
  } finally {
    remote.server.closeAllConnections();
    remote.server.close();
  }
});

test("what does not answer in time is unanswered, and what was not asked of late is unknown and never right", async () => {
  const remote = await serve();
  try {
    remote.silent = true;
    const one = (name: string): Probe =>
      jsonProbe({
        name,
        endpoint: "late",
        ask: ({ signal }) => post(remote.url, [[1, 0, 0]], signal),
        expected: { probabilities: answerOf([[1, 0, 0]], weights) },
      });
    await using probes = openProbes({ probes: [one("a")], scheduled: false, timeoutMs: 100, everyMs: 1000 });
    const [result] = await probes.run();
    expect(result).toMatchObject({ outcome: "unanswered", problem: "No answer came within 100 ms." });
    remote.silent = false;
    expect((await probes.run())[0]).toMatchObject({ outcome: "right" });
    const stateAt = (nowMs: number) => probes.alert().evaluate({ nowMs } as never)[0]?.state;
    const { timeMs = 0 } = probes.results().get("a") ?? {};
    expect([stateAt(timeMs), stateAt(timeMs + 3000), stateAt(timeMs + 3001)]).toEqual(["ok", "ok", "unknown"]);
    const invalid = expect.objectContaining({ code: "MONITOR_PROBES_INVALID" });
    expect(() => openProbes({ probes: [one("a"), one("a")] })).toThrow(invalid);
    expect(() => openProbes({ probes: [], timeoutMs: 0 })).toThrow(invalid);
    expect(() => probes.alert({ failures: 0 })).toThrow(invalid);
  } finally {
    remote.server.closeAllConnections();
    remote.server.close();
  }
});

test("probes are spread over their rounds, and stop with their owner", async () => {
  const clock = createManualClock(0);
  const asked: [string, number][] = [];
  const one = (name: string): Probe => ({
    name,
    endpoint: "late",
    ask: async () => {
      asked.push([name, clock.nowMs()]);
      return name === "c" ? "wrong" : undefined;
    },
  });
  {
    await using probes = openProbes({ probes: ["a", "b", "c"].map(one), everyMs: 3000, clock });
    for (let step = 0; step < 6; step += 1) await clock.advance(1000);
    expect(probes.results().get("c")).toMatchObject({ outcome: "wrong", problem: "wrong" });
  }
  const before = asked.length;
  await clock.advance(60_000);
  expect(asked.slice(0, 6)).toEqual([
    ["a", 0],
    ["b", 1000],
    ["c", 2000],
    ["a", 3000],
    ["b", 4000],
    ["c", 5000],
  ]);
  expect(asked).toHaveLength(before);
});

test("an answer of JSON is right where all that was named is there", async () => {
  const look = async (expected: unknown, actual: unknown, tolerance?: number): Promise<string | undefined> =>
    jsonProbe({ name: "x", endpoint: "e", ask: async () => actual, expected, tolerance }).ask({
      signal: new AbortController().signal,
    });
  expect(await look({ a: [1, { b: "c" }] }, { a: [1 + 1e-7, { b: "c", d: 1 }], e: 2 })).toBeUndefined();
  expect(await look({ a: [1, 2] }, { a: [1, 2, 3] })).toBe("answer.a should be [1,2] and is [1,2,3]");
  expect(await look({ a: 1 }, { a: 1.1 }, 0.05)).toBe("answer.a should be 1 and is 1.1");
  expect(await look({ a: 1 }, {})).toBe("answer.a should be 1 and is absent");
  expect(await look({ a: null }, { a: 0 })).toBe("answer.a should be null and is 0");
  expect(await look({ a: Number.NaN }, { a: Number.NaN })).toContain("should be null");
});
