import {
  type CapturedPrediction,
  type Labels,
  type Meter,
  type ModelRuntime,
  type Tensor,
  createManualClock,
} from "@millwright/contracts";
import { denseRuntime } from "@millwright/model";
import { describe, expect, it } from "vitest";
import { type FallbackOptions, fallback, openModelServer } from "../src/index.ts";
import { createCircuitBreaker } from "../src/fallback/circuit-breaker.ts";
import { expected, matrix, packFolder } from "./models.ts";

const row = [0.1, -0.2, 0.3, 0.4];
const half: Readonly<Record<string, Tensor>> = { probability: matrix([[0.5]]) };

/** A dense runtime whose version 1 does as it is told after its golden request. */
function breakable() {
  const told: { fails: false | "throws" | "hangs"; asked: number } = { fails: false, asked: 0 };
  const runtime: ModelRuntime = {
    formats: ["dense"],
    load: async (directory, manifest, options) => {
      const real = await denseRuntime().load(directory, manifest, options);
      if (!directory.endsWith("/1")) return real;
      return {
        memoryBytes: real.memoryBytes,
        dispose: () => real.dispose(),
        predict: (inputs) => {
          told.asked += 1;
          if (told.fails === "throws") throw new TypeError("broken");
          if (told.fails === "hangs") return new Promise<never>(() => {});
          return real.predict(inputs);
        },
      };
    },
  };
  return { told, runtime };
}

/** Sums what is counted, by name and labels. */
function countingMeter() {
  const counts = new Map<string, number>();
  const key = (name: string, labels: Labels = {}) => `${name} ${Object.values(labels).join(" ")}`;
  const meter: Meter = {
    counter: (name) => ({
      add: (amount = 1, labels) => void counts.set(key(name, labels), (counts.get(key(name, labels)) ?? 0) + amount),
    }),
    gauge: (name) => ({ set: (value, labels) => void counts.set(key(name, labels), value) }),
    histogram: () => ({ observe: () => {} }),
  };
  return { meter, counts };
}

async function serverWith(options: FallbackOptions) {
  const folder = await packFolder(2);
  const clock = createManualClock();
  const { told, runtime } = breakable();
  const { meter, counts } = countingMeter();
  const captured: CapturedPrediction[] = [];
  const stage = fallback(options);
  const server = await openModelServer({
    source: folder.source,
    runtimes: [runtime],
    clock,
    meter,
    predictions: { capture: (prediction) => captured.push(prediction) },
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, stages: [stage] } },
  });
  return {
    server,
    stage,
    clock,
    told,
    counts,
    captured,
    ask: (instances: readonly unknown[] = [row]) => server.predict("late", { instances }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describe("fallback", () => {
  it("SV-43: the endpoint breaks, answers go on, each marked, counted and captured as degraded; error rates and the share of degraded answers show it", async () => {
    await using open = await serverWith({ to: [{ model: "late/2", name: "previous" }, { row: half }] });
    const { told, ask, counts, captured } = open;
    const well = await ask();
    expect(well.provenance).not.toHaveProperty("degraded");
    told.fails = "throws";
    for (let index = 0; index < 8; index += 1) {
      const { outputs, provenance } = await ask();
      expect(outputs["probability"]?.data[0]).toBeCloseTo(expected(2, row), 5);
      expect(provenance).toMatchObject({
        variant: "previous",
        model: { version: 2 },
        degraded: { reason: "SERVING_MODEL_FAILED", by: "previous" },
      });
    }
    // Attempts failed, requests did not: both are told.
    expect(counts.get("millwright_serving_requests_total late main 1")).toBe(9);
    expect(counts.get("millwright_serving_errors_total late main 1 SERVING_MODEL_FAILED")).toBe(8);
    expect(counts.get("millwright_serving_degraded_total late previous SERVING_MODEL_FAILED")).toBe(8);
    const marks = captured.filter(({ degraded }) => degraded !== undefined);
    expect(marks).toHaveLength(8);
    expect(marks[0]).toMatchObject({ degraded: "SERVING_MODEL_FAILED", variant: "previous" });
    const response = await open.server.handle(
      new Request("http://mill/invocations", { method: "POST", body: JSON.stringify({ instances: [row] }) }),
    );
    expect([response.status, response.headers.get("x-millwright-degraded")]).toEqual([200, "SERVING_MODEL_FAILED"]);
    await open.server.drain();
  });

  it("SV-43: after too many failures the endpoint is left alone, then tried by one request, and taken back", async () => {
    const breaker = { minRequests: 4, openMs: 10_000 };
    await using open = await serverWith({ to: [{ row: half }], breaker });
    const { told, ask, clock, stage } = open;
    told.fails = "throws";
    for (let index = 0; index < 4; index += 1) await ask();
    expect(stage.targets()).toEqual([
      { name: "endpoint", state: "open" },
      { name: "row", state: "closed" },
    ]);
    const askedBefore = told.asked;
    expect((await ask([row, row])).outputs["probability"]).toMatchObject({
      shape: [2, 1],
      data: Float32Array.of(0.5, 0.5),
    });
    expect((await ask()).provenance.degraded).toEqual({ reason: "CIRCUIT_OPEN", by: "row" });
    expect(told.asked).toBe(askedBefore);
    await clock.advance(10_000);
    // Whole still: the one that tried it closes it for longer again.
    await ask();
    expect(told.asked).toBe(askedBefore + 1);
    await clock.advance(9999);
    await ask();
    expect(told.asked).toBe(askedBefore + 1);
    told.fails = false;
    await clock.advance(1);
    expect((await ask()).provenance).not.toHaveProperty("degraded");
    expect(stage.targets()[0]).toEqual({ name: "endpoint", state: "closed" });
    await open.server.drain();
  });

  it("SV-43: goes down the chain: a rule that knows nothing, an earlier answer to the same question, a default", async () => {
    const rule = ({ request }: { request: { instances?: readonly unknown[] | undefined } }) =>
      JSON.stringify(request.instances).startsWith("[[9") ? { probability: matrix([[0.9]]) } : undefined;
    await using open = await serverWith({
      to: [{ name: "rule", rule }, { cached: { maxEntries: 2, maxAgeMs: 60_000 } }, { row: half }],
      breaker: { minRequests: 1000 },
    });
    const { told, ask, clock } = open;
    const first = await ask([[1, 0, 0, 0]]);
    await ask([[2, 0, 0, 0]]);
    await ask([[3, 0, 0, 0]]);
    told.fails = "throws";
    const by = async (...numbers: readonly number[]) => (await ask([numbers])).provenance.degraded?.by;
    expect(await by(9, 0, 0, 0)).toBe("rule");
    // Two are remembered, the first one no more.
    expect([await by(1, 0, 0, 0), await by(2, 0, 0, 0), await by(3, 0, 0, 0)]).toEqual(["row", "cached", "cached"]);
    const again = await ask([[3, 0, 0, 0]]);
    expect(again.outputs["probability"]?.data[0]).toBeCloseTo(expected(1, [3, 0, 0, 0]), 5);
    expect(again.provenance).toMatchObject({ model: { version: 1 }, degraded: { by: "cached" } });
    expect(again.provenance.requestId).not.toBe(first.provenance.requestId);
    await clock.advance(60_001);
    expect(await by(3, 0, 0, 0)).toBe("row");
    await open.server.drain();
  });

  it("an endpoint that hangs is late, and a fallback answers; faults of the request are its caller's", async () => {
    await using open = await serverWith({ to: [{ row: half }], timeoutMs: 200 });
    const { told, ask, clock, stage } = open;
    await expect(ask([[1, 2]])).rejects.toMatchObject({ code: "SERVING_INPUT_INVALID" });
    expect(stage.targets()[0]?.state).toBe("closed");
    told.fails = "hangs";
    const asked = ask();
    await clock.advance(200);
    expect((await asked).provenance.degraded).toEqual({ reason: "SERVING_ANSWER_LATE", by: "row" });
    const gone = new AbortController();
    const aborted = open.server.predict("late", { instances: [row], signal: gone.signal });
    aborted.catch(() => {});
    gone.abort(new RangeError("its caller went away"));
    await expect(aborted).rejects.toThrow("went away");
  });

  it("where all fail the endpoint's own error is thrown; where it was not even asked, that is said", async () => {
    const nothing = { name: "nothing", rule: () => undefined };
    await using open = await serverWith({ to: [nothing], breaker: { minRequests: 2 } });
    const { told, ask } = open;
    told.fails = "throws";
    for (let index = 0; index < 2; index += 1)
      await expect(ask()).rejects.toMatchObject({ code: "SERVING_MODEL_FAILED" });
    await expect(ask()).rejects.toMatchObject({ code: "SERVING_CIRCUIT_OPEN", retryable: true });
    await open.server.drain();
    expect(() => fallback({ to: [] })).toThrow(RangeError);
    expect(() => fallback({ to: [nothing], timeoutMs: 0 })).toThrow(RangeError);
  });
});

describe("the circuit breaker", () => {
  it("goes by the share of failures within its window, and lets one request at a time try", async () => {
    const clock = createManualClock();
    const breaker = createCircuitBreaker(clock, { failureShare: 0.5, minRequests: 10, windowMs: 10_000, openMs: 5000 });
    const told = (succeeded: number, failed: number): void => {
      for (let index = 0; index < succeeded; index += 1) breaker.succeeded();
      for (let index = 0; index < failed; index += 1) breaker.failed();
    };
    told(5, 4);
    expect(breaker.state).toBe("closed");
    told(0, 1);
    expect(breaker.state).toBe("open");
    expect(breaker.admits()).toBe(false);
    await clock.advance(5000);
    expect(breaker.state).toBe("half-open");
    expect([breaker.admits(), breaker.admits()]).toEqual([true, false]);
    // An answer that was asked for before it opened is no news; neither is one whose caller went away.
    breaker.abandoned();
    expect(breaker.admits()).toBe(true);
    breaker.succeeded();
    expect(breaker.state).toBe("closed");
    told(0, 8);
    await clock.advance(10_000);
    told(0, 9);
    expect(breaker.state).toBe("closed");
    told(0, 1);
    expect(breaker.state).toBe("open");
    for (const options of [
      { failureShare: 0 },
      { failureShare: 2 },
      { minRequests: 0 },
      { windowMs: 0 },
      { openMs: Number.NaN },
    ])
      expect(() => createCircuitBreaker(clock, options)).toThrow(RangeError);
  });
});
