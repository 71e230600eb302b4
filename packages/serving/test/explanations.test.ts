import { createManualClock, type Tensor } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { afterAll, beforeAll, expect, test } from "vitest";
import { explanations } from "../src/explanations.ts";
import { type Prediction, type Stage, fallback, responseCache } from "../src/index.ts";
import { instances, openExplained, packExplained, sigmoid } from "./explained-models.ts";

let models: Awaited<ReturnType<typeof packExplained>>;
beforeAll(async () => {
  models = await packExplained();
});
afterAll(() => models[Symbol.asyncDispose]());

const post = (path: string, body: unknown, headers: Record<string, string> = {}): Request =>
  new Request(`http://models.test${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

/** base + contributions of a row, by output. */
function sums({ explanation }: Prediction): readonly number[] {
  const { base, contributions, features, rows, outputs } = explanation!.detail!;
  return rows.flatMap((_, row) =>
    outputs.map((_output, output) =>
      contributions
        .subarray(
          (row * outputs.length + output) * features.length,
          (row * outputs.length + output + 1) * features.length,
        )
        .reduce((sum, each) => sum + each, base[output]!),
    ),
  );
}

test("SV-45: contributions and base sum to the raw score of the answer, on and off by header, parameter and expression", async () => {
  await using opened = await openExplained(models.root, "late/1", [explanations({ timeMs: 5000 })]);
  const { server } = opened;
  const plain = await server.predict("late", { instances });
  expect(plain.explanation).toBeUndefined();
  const answer = await server.predict("late", { instances, explain: true });
  expect(answer.explanation).toMatchObject({
    status: "complete",
    detail: { method: "tree-shap", exact: true, scale: "margin", features: ["km", "hour", "town"], rows: [0, 1, 2] },
  });
  expect(answer.outputs).toEqual(plain.outputs);
  const predictions = Array.from(answer.outputs["prediction"]!.data, Number);
  for (const [row, sum] of sums(answer).entries())
    expect(Math.abs(sigmoid(sum) - predictions[row]!)).toBeLessThan(1e-6);

  // Over HTTP: the header of SageMaker, one of ours, and a parameter of the body.
  const silent = await server.handle(post("/invocations", { instances }));
  expect(silent.headers.get("x-millwright-explanations")).toBeNull();
  expect(Object.keys((await silent.json()) as object)).toEqual(["predictions"]);
  for (const [body, headers] of [
    [{ instances }, { "x-millwright-explain": "true" }],
    [{ instances, parameters: { explain: true } }, {}],
  ] as const) {
    const told = await server.handle(post("/invocations", body, headers));
    expect(told.headers.get("x-millwright-explanations")).toBe("complete; method=tree-shap; scale=margin");
    const { predictions: given, explanations: explained } = (await told.json()) as {
      predictions: number[];
      explanations: { rows: { prediction: { base: number; value: number; contributions: Record<string, number> } }[] };
    };
    for (const [row, { prediction }] of explained.rows.entries()) {
      const sum = Object.values(prediction.contributions).reduce((all, each) => all + each, prediction.base);
      expect(Math.abs(sum - prediction.value)).toBeLessThan(1e-6);
      expect(Math.abs(sigmoid(sum) - given[row]!)).toBeLessThan(1e-6);
    }
  }

  // An expression is asked of each record: only those above the middle one are explained.
  const middle = predictions.toSorted((a, b) => a - b)[1]!;
  const some = await server.predict("late", { instances, explain: `prediction >= \`${middle}\`` });
  const expected = predictions.flatMap((each, row) => (each >= middle ? [row] : []));
  expect(some.explanation).toMatchObject({ status: "complete", detail: { rows: expected } });
  const none = await server.predict("late", { instances, explain: "prediction > `2`" });
  expect(none.explanation).toEqual({ status: "absent", reason: "not-asked" });
  const bad = await server.handle(post("/invocations", { instances }, { "x-millwright-explain": "prediction >" }));
  expect(bad.status).toBe(400);
  expect(await bad.json()).toMatchObject({ code: "SERVING_REQUEST_INVALID" });
});

test("SageMaker's header is answered as Clarify's online explainability answers", async () => {
  await using opened = await openExplained(models.root, "late/1", [explanations({ timeMs: 5000 })]);
  const { server } = opened;
  const headers = {
    "content-type": "text/csv; header=present",
    accept: "text/csv",
    "x-amzn-sagemaker-enable-explanations": "[0] > `0.0`",
  };
  const body = "km,hour,town\n0.5,-1,Ulm\n-2,0.1,Kiel\n";
  const response = await server.handle(post("/invocations", body, headers));
  expect(response.headers.get("content-type")).toBe("application/json");
  const told = (await response.json()) as {
    version: string;
    predictions: { content_type: string; data: string };
    explanations: { kernel_shap: { feature_header: string; attributions: { attribution: number[] }[] }[][] };
  };
  expect(told.version).toBe("1.0");
  expect(told.predictions.content_type).toBe("text/csv");
  expect(told.predictions.data.split("\n")).toHaveLength(3);
  expect(told.explanations.kernel_shap[0]!.map((each) => each.feature_header)).toEqual(["km", "hour", "town"]);
  const { explanation } = await server.predict("late", { instances: [instances[0]!], explain: true });
  expect(told.explanations.kernel_shap[0]!.map((each) => each.attributions[0]!.attribution[0])).toEqual([
    ...explanation!.detail!.contributions,
  ]);
  const off = await server.handle(
    post("/invocations", body, { ...headers, "x-amzn-sagemaker-enable-explanations": "`false`" }),
  );
  expect(off.headers.get("content-type")).toBe("text/csv");
  const empty = await server.handle(
    post("/invocations", body, { ...headers, "x-amzn-sagemaker-enable-explanations": "[0] > `9`" }),
  );
  expect(await empty.json()).toMatchObject({ version: "1.0", explanations: {} });
});

test("the Open Inference Protocol, TensorFlow's and our own address carry explanations", async () => {
  await using opened = await openExplained(models.root, "wide/1", [
    explanations({ timeMs: 5000, maxEvaluations: 400, background: { features: row(0, 4) } }),
  ]);
  const { server } = opened;
  const inputs = [{ name: "features", datatype: "FP32", shape: [2, 18], data: [...row(3, 2).data] }];
  const infer = await server.handle(post("/v2/models/late/infer", { inputs, parameters: { explain: true } }));
  const told = (await infer.json()) as {
    parameters: Record<string, string>;
    outputs: { name: string; shape: number[]; data: number[] }[];
  };
  expect(told.parameters).toMatchObject({
    explanation: "complete",
    explanation_method: "sampled-shapley",
    explanation_exact: "false",
  });
  const byName = Object.fromEntries(told.outputs.map((each) => [each.name, each]));
  expect(byName["explanation_contributions"]!.shape).toEqual([2, 1, 18]);
  expect(byName["explanation_features"]!.shape).toEqual([18]);
  for (const at of [0, 1]) {
    const contributions = byName["explanation_contributions"]!.data.slice(at * 18, (at + 1) * 18);
    const sum = contributions.reduce((all, each) => all + each, byName["explanation_base"]!.data[at]!);
    expect(Math.abs(sigmoid(sum) - byName["prediction"]!.data[at]!)).toBeLessThan(1e-6);
  }
  const asked = { inputs, outputs: [{ name: "prediction" }], parameters: { explain: "prediction > `2`" } };
  const none = (await (await server.handle(post("/v2/models/late/infer", asked))).json()) as typeof told;
  expect(none.parameters).toMatchObject({ explanation: "absent", explanation_reason: "not-asked" });
  expect(none.outputs.map(({ name }) => name)).toEqual(["prediction"]);
  const listed = { instances: [[...row(3, 1).data]] };
  const on = { "x-millwright-explain": "`true`" };
  for (const path of ["/v1/models/late:predict", "/endpoints/late/predict"]) {
    const { explanations: explained } = (await (await server.handle(post(path, listed, on))).json()) as {
      explanations: { exact: boolean; rows: { prediction: { standard_errors: Record<string, number> } }[] };
    };
    expect(explained).toMatchObject({ status: "complete", exact: false });
    expect(Object.keys(explained.rows[0]!.prediction.standard_errors)).toHaveLength(18);
  }
});

const row = (from: number, rows: number): Tensor => ({
  dtype: "float32",
  shape: [rows, 18],
  data: Float32Array.from({ length: rows * 18 }, (_, at) => Math.sin(from + at)),
});

test("columns behind transforms are told as callers send them; the largest are told, and the rest as one number", async () => {
  const background = batchOf({
    km: column("float64", [1, 2, null, 4]),
    town: column("utf8", ["Ulm", "Bonn", "Ulm", null]),
  });
  await using opened = await openExplained(models.root, "rows/1", [
    explanations({ enabled: true, timeMs: 5000, top: 1, background }),
  ]);
  const { server } = opened;
  const response = await server.handle(post("/invocations", { instances: [{ km: 9, town: "Bonn" }] }));
  const { predictions, explanations: explained } = (await response.json()) as {
    predictions: number[];
    explanations: { rows: { prediction: { base: number; contributions: Record<string, number>; other: number } }[] };
  };
  const { base, contributions, other } = explained.rows[0]!.prediction;
  expect(Object.keys(contributions)).toHaveLength(1);
  expect(["km", "town"]).toContain(Object.keys(contributions)[0]);
  expect(Math.abs(sigmoid(base + Object.values(contributions)[0]! + other) - predictions[0]!)).toBeLessThan(1e-6);
  // Requests may switch it off, where they may say it.
  expect(
    (await server.predict("late", { instances: [{ km: 9, town: "Bonn" }], explain: false })).explanation,
  ).toBeUndefined();
  await using closed = await openExplained(models.root, "late/1", [explanations({ perRequest: false })]);
  expect((await closed.server.predict("late", { instances, explain: true })).explanation).toBeUndefined();
});

test("a budget that is over, too many rows and a model that cannot be explained leave the answer as it is, marked", async () => {
  await using rows = await openExplained(models.root, "late/1", [explanations({ timeMs: 5000, maxRows: 2 })]);
  const first = await rows.server.predict("late", { instances, explain: true });
  expect(first.explanation).toMatchObject({ status: "partial", reason: "rows", detail: { rows: [0, 1] } });

  // No background rows: the package has no golden requests.
  await using unfit = await openExplained(models.root, "wide/1", [explanations({ timeMs: 5000 })]);
  const unsupported = await unfit.server.predict("late", { inputs: { features: row(1, 1) }, explain: true });
  expect(unsupported.explanation).toEqual({ status: "absent", reason: "unsupported" });

  await using late = await openExplained(models.root, "late/1", [explanations({ timeMs: 5000 })]);
  const over = await late.server.predict("late", { instances, explain: true, deadlineMs: 1e-3 }).catch(() => undefined);
  if (over !== undefined) expect(over.explanation).toEqual({ status: "absent", reason: "time" });

  // An estimate that could go on for hours ends with the budget, as it is by then: a millisecond passes with each look at this clock.
  let looks = 0;
  const clock = { ...createManualClock(), monotonicMs: () => (looks += 1) };
  const background = { features: row(0, 20) };
  await using slow = await openExplained(
    models.root,
    "wide/1",
    [explanations({ timeMs: 150, maxEvaluations: 1e9, background })],
    { clock, watch: false },
  );
  await slow.server.predict("late", { inputs: { features: row(1, 1) }, explain: true });
  const startMs = looks;
  const answer = await slow.server.predict("late", { inputs: { features: row(2, 3) }, explain: true });
  // The budget, and what the answer itself takes.
  expect(looks - startMs).toBeGreaterThan(100);
  expect(looks - startMs).toBeLessThan(200);
  expect(answer.explanation!.status).toBe("complete");
  const data = Array.from(answer.outputs["prediction"]!.data, Number);
  for (const [at, sum] of sums(answer).entries()) expect(Math.abs(sigmoid(sum) - data[at]!)).toBeLessThan(1e-6);

  // A fallback's answer is not explained by the model that failed.
  const broken: Stage = { name: "broken", model: () => Promise.reject(new Error("down")) };
  const stand: Tensor = { dtype: "float64", shape: [1, 1], data: Float64Array.of(0.5) };
  await using fallen = await openExplained(models.root, "late/1", [
    fallback({ to: [{ row: { prediction: stand } }] }),
    explanations({ enabled: true }),
    broken,
  ]);
  const degraded = await fallen.server.predict("late", { instances: [instances[0]!] });
  expect(degraded.provenance.degraded).toBeDefined();
  expect(degraded.explanation).toBeUndefined();
});

test("work for one request gives way to others, and only so many are explained at once", async () => {
  await using many = await packExplained(1500);
  await using opened = await openExplained(many.root, "late/1", [
    explanations({ timeMs: 60_000, maxConcurrent: 1, maxRows: 200 }),
  ]);
  const { server } = opened;
  const whole = Array.from({ length: 150 }, (_, at) => instances[at % 3]!);
  await server.predict("late", { instances: [instances[0]!], explain: true });
  let working = true;
  const long = server.predict("late", { instances: whole, explain: true }).finally(() => (working = false));
  await new Promise((resolve) => setTimeout(resolve, 20));
  const meanwhile = await server.predict("late", { instances: [instances[0]!], explain: true });
  expect(working).toBe(true);
  expect(meanwhile.explanation).toEqual({ status: "absent", reason: "busy" });
  expect((await long).explanation).toMatchObject({ status: "complete" });
});

test("explanations are captured with the record, without the columns that are redacted, and counted", async () => {
  const counted: string[] = [];
  const counter = (name: string) => ({
    add: (by: number, labels?: object) => void counted.push(`${name} ${by} ${JSON.stringify(labels)}`),
  });
  const quiet = { set: () => {}, add: () => {}, observe: () => {} };
  await using opened = await openExplained(models.root, "late/1", [explanations({ enabled: true, timeMs: 5000 })], {
    redactor: { redact: (name, value) => (name === "town" ? "***" : value) },
    meter: { counter, gauge: () => quiet, histogram: () => quiet },
  });
  const { server, captured } = opened;
  const answer = await server.predict("late", { instances });
  const { explanation } = captured[0]!;
  expect(explanation).toMatchObject({ method: "tree-shap", features: ["km", "hour", "(redacted)"], rows: [0, 1, 2] });
  expect([...explanation!.contributions]).toEqual([...answer.explanation!.detail!.contributions]);
  expect(counted).toContain('millwright_serving_explanations_total 1 {"endpoint":"late","result":"complete"}');
  expect(counted).toContain('millwright_serving_explained_rows_total 3 {"endpoint":"late","method":"tree-shap"}');
});

test("answers of a cache that stands after it are explained as well as others, without asking the cache for mixtures", async () => {
  const cache = responseCache({ ttlMs: 60_000 });
  const background = { features: row(0, 4) };
  await using opened = await openExplained(models.root, "wide/1", [
    explanations({ enabled: true, timeMs: 5000, maxEvaluations: 200, background }),
    cache,
  ]);
  const first = await opened.server.predict("late", { inputs: { features: row(1, 1) } });
  const again = await opened.server.predict("late", { inputs: { features: row(1, 1) } });
  expect(again.provenance.reused).toBe("cache");
  expect(again.explanation).toEqual(first.explanation);
  expect(cache.stats()).toMatchObject({ hits: 1, misses: 1, entries: 1 });
});
