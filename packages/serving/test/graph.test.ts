import {
  type CapturedPrediction,
  type Clock,
  type Tensors,
  createManualClock,
  systemClock,
} from "@millwright/contracts";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { denseRuntime } from "@millwright/model";
import { describe, expect, it } from "vitest";
import { type GraphPlan, type Stage, inferenceGraph, inferencePipeline, openModelServer } from "../src/index.ts";
import { createHttpTarget, startTransform } from "../src/transform.ts";
import { expected, matrix, packFolder } from "./models.ts";
import { folder } from "./transforms-of-files.ts";

const rows = [
  [0.1, -0.2, 0.3, 0.4],
  [1, 0.5, -0.3, 2],
  [-1, 0.25, 0.75, 0],
];
const numbers = (outputs: Tensors): readonly number[] => Array.from(outputs["probability"]?.data ?? [], Number);
const probabilities = (seed: number): readonly number[] => rows.map((row) => expected(seed, row));

async function serverWith(stage: Stage, clock: Clock = createManualClock()) {
  const folder = await packFolder(3);
  const captured: CapturedPrediction[] = [];
  const server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    clock,
    predictions: { capture: (prediction) => captured.push(prediction) },
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, stages: [stage] } },
  });
  return {
    server,
    captured,
    ask: (instances: readonly unknown[] = rows) => server.predict("late", { instances }),
    [Symbol.asyncDispose]: async () => {
      await server.drain();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const never = (): Promise<Tensors> => new Promise<Tensors>(() => {});
const broken = (): Tensors => {
  throw new TypeError("a function of a graph is broken");
};
const close = (left: readonly number[], right: readonly number[]): void => {
  expect(left).toHaveLength(right.length);
  for (const [at, value] of left.entries()) expect(value).toBeCloseTo(right[at] ?? Number.NaN, 5);
};

describe("inferenceGraph", () => {
  it("SV-29: a graph with branches, an ensemble and a switch answers what its parts composed by hand do, asking each node once", async () => {
    const asked: string[] = [];
    const plan: GraphPlan = {
      nodes: {
        raw: { compute: ({ request }) => (asked.push("raw"), { features: matrix(request.instances as number[][]) }) },
        doubled: {
          needs: ["raw"],
          compute: ({ values }) => {
            asked.push("doubled");
            const { shape, data } = values["raw"]?.["features"] ?? matrix([]);
            return {
              features: {
                dtype: "float32",
                shape,
                data: Float32Array.from(data as Float32Array, (value) => value * 2),
              },
            };
          },
        },
        one: { endpoint: true },
        two: { model: "late/2", input: "doubled" },
        three: { model: "late/3", input: ({ values }) => ({ inputs: values["raw"] }), needs: ["raw"] },
        both: { ensemble: ["one", "two", "three"], weights: { two: 2 } },
        chosen: {
          needs: ["raw"],
          to: ["both", "one"],
          switch: ({ request }) => (request.tenant === "small" ? "one" : "both"),
        },
      },
      output: "chosen",
    };
    await using open = await serverWith(inferenceGraph(plan));
    const { outputs, provenance } = await open.ask();
    const doubled = rows.map((row) =>
      expected(
        2,
        row.map((value) => value * 2),
      ),
    );
    const [one, three] = [probabilities(1), probabilities(3)];
    close(
      numbers(outputs),
      rows.map((_, at) => ((one[at] ?? 0) + 2 * (doubled[at] ?? 0) + (three[at] ?? 0)) / 4),
    );
    expect(asked.toSorted()).toEqual(["doubled", "raw"]);
    expect(Object.keys(provenance.nodes ?? {}).toSorted()).toEqual(Object.keys(plan.nodes).toSorted());
    expect(provenance.nodes?.["two"]?.model).toMatchObject({ name: "late", version: 2 });
    expect(provenance).not.toHaveProperty("degraded");
    const small = await open.server.predict("late", { instances: rows, tenant: "small" });
    close(numbers(small.outputs), one);
    expect(small.provenance.nodes).not.toHaveProperty("two");
    // Other models had a part in it: another name for what answered.
    expect(small.provenance.model.digest).not.toBe(provenance.model.digest);
    expect((await open.ask()).provenance.model.digest).toBe(provenance.model.digest);
    expect(open.captured.filter(({ variant }) => variant === "graph")).toHaveLength(3);
  });

  it("SV-29: a node that fails or is late is answered for by its fallback, and the answer says so", async () => {
    const clock = createManualClock();
    const plan = (compute: () => Tensors | Promise<Tensors>): GraphPlan => ({
      nodes: {
        fragile: { compute, timeoutMs: 100, fallback: "previous" },
        previous: { model: "late/2" },
      },
      output: "fragile",
    });
    {
      await using open = await serverWith(inferenceGraph(plan(broken)), clock);
      const { outputs, provenance } = await open.ask();
      close(numbers(outputs), probabilities(2));
      expect(provenance).toMatchObject({
        degraded: { reason: "none", by: "graph/previous" },
        nodes: { fragile: { failed: "none" }, previous: { model: { version: 2 } } },
      });
    }
    await using open = await serverWith(inferenceGraph(plan(never)), clock);
    const asked = open.ask();
    await clock.advance(100);
    const late = await asked;
    close(numbers(late.outputs), probabilities(2));
    expect(late.provenance.degraded).toEqual({ reason: "SERVING_GRAPH_LATE", by: "graph/previous" });
  });

  it("an ensemble goes on with those that answer, where so many are enough; votes; or is combined by a function", async () => {
    const plan = (least: number): GraphPlan => ({
      nodes: {
        one: { endpoint: true },
        two: { model: "late/2" },
        bad: { compute: broken },
        all: { ensemble: ["one", "two", "bad"], least },
      },
      output: "all",
    });
    {
      await using open = await serverWith(inferenceGraph(plan(2)));
      const { outputs, provenance } = await open.ask();
      close(
        numbers(outputs),
        rows.map((_, at) => ((probabilities(1)[at] ?? 0) + (probabilities(2)[at] ?? 0)) / 2),
      );
      expect(provenance.degraded).toEqual({ reason: "none", by: "graph/all" });
    }
    {
      await using open = await serverWith(inferenceGraph(plan(3)));
      await expect(open.ask()).rejects.toThrow("a function of a graph is broken");
    }
    const label = (...values: readonly string[]) => ({
      compute: (): Tensors => ({ label: { dtype: "string", shape: [values.length], data: values } }),
    });
    const votes = inferenceGraph({
      nodes: {
        a: label("x", "y", "z"),
        b: label("q", "y", "w"),
        c: label("q", "x", "v"),
        vote: { ensemble: ["a", "b", "c"], combine: "vote" },
      },
      output: "vote",
    });
    await using open = await serverWith(votes);
    expect((await open.ask()).outputs["label"]?.data).toEqual(["q", "y", "z"]);
    const named = inferenceGraph({
      nodes: {
        a: label("x"),
        b: label("q"),
        own: { ensemble: ["a", "b"], combine: (answers) => answers["b"] as Tensors },
      },
      output: "own",
    });
    await using other = await serverWith(named);
    expect((await other.ask()).outputs["label"]?.data).toEqual(["q"]);
  });

  it("SV-29: a node with a memory is asked once for equal inputs, until they are too old", async () => {
    let asked = 0;
    const slow = (): Tensors => {
      asked += 1;
      return { probability: matrix([[asked]]) };
    };
    const plan: GraphPlan = {
      nodes: {
        key: { compute: ({ request }) => ({ key: { dtype: "string", shape: [1], data: [request.tenant ?? ""] } }) },
        slow: { needs: ["key"], compute: slow, cache: { maxEntries: 1, maxAgeMs: 1000 } },
      },
      output: "slow",
    };
    const clock = createManualClock();
    await using open = await serverWith(inferenceGraph(plan), clock);
    const ask = async (tenant: string) => {
      const { outputs, provenance } = await open.server.predict("late", { instances: rows, tenant });
      return [numbers(outputs)[0], provenance.nodes?.["slow"]?.cached];
    };
    expect(await ask("a")).toEqual([1, undefined]);
    expect(await ask("a")).toEqual([1, true]);
    expect(await ask("b")).toEqual([2, undefined]);
    expect(await ask("a")).toEqual([3, undefined]);
    await clock.advance(1001);
    expect(await ask("a")).toEqual([4, undefined]);
    // Whose question it is belongs to it: features may differ by who asks.
    const asAnn = await open.server.predict("late", { instances: rows, tenant: "a", principal: "ann" });
    expect(numbers(asAnn.outputs)).toEqual([5]);
  });

  it("SV-29: a pipeline of 2 to 15 steps passes outputs on; requests come over HTTP as to any endpoint", async () => {
    const widen = ({ probability }: Tensors): Tensors => {
      const values = Array.from(probability?.data ?? [], Number);
      return { features: matrix(values.map((value) => [value, 0, 1, value])) };
    };
    await using open = await serverWith(inferencePipeline([{ model: "late/2" }, widen, { model: "late/3" }]));
    const wanted = rows.map((row) => expected(3, [expected(2, row), 0, 1, expected(2, row)]));
    close(numbers((await open.ask()).outputs), wanted);
    const response = await open.server.handle(
      new Request("http://mill/endpoints/late/predict", { method: "POST", body: JSON.stringify({ instances: rows }) }),
    );
    const body = (await response.json()) as { predictions: number[][]; provenance: { nodes: object } };
    close(body.predictions.flat(), wanted);
    expect(Object.keys(body.provenance.nodes)).toEqual(["step1", "step2", "step3"]);
    expect(() => inferencePipeline([{ model: "late/1" }])).toThrow("2 to 15");
    expect(() => inferencePipeline([widen, { model: "late/1" }])).toThrow("first step");
  });

  it("SV-29: a batch transform of an endpoint goes through the same graph", async () => {
    await using open = await serverWith(
      inferenceGraph({
        nodes: { one: { endpoint: true }, two: { model: "late/2" }, both: { ensemble: ["one", "two"] } },
        output: "both",
      }),
      systemClock,
    );
    await using files = await folder();
    await writeFile(join(files.input, "rows.csv"), rows.map((row) => `${row.join(",")}\n`).join(""));
    const target = createHttpTarget("http://mill", { fetch: (request) => open.server.handle(request) });
    await startTransform({ target, input: files.input, output: files.output }).result();
    const lines = (await readFile(join(files.output, "rows.csv.out"), "utf8")).trim().split("\n").map(Number);
    close(lines, numbers((await open.ask()).outputs));
  });

  it("ends with its caller, and refuses plans that no request could run through", async () => {
    const gone = new AbortController();
    await using open = await serverWith(
      inferenceGraph({ nodes: { slow: { compute: never, fallback: "one" }, one: { endpoint: true } }, output: "slow" }),
    );
    const asked = open.server.predict("late", { instances: rows, signal: gone.signal });
    asked.catch(() => {});
    gone.abort(new RangeError("its caller went away"));
    await expect(asked).rejects.toThrow("went away");
    const compute = (): Tensors => ({});
    for (const [plan, told] of [
      [{ nodes: {}, output: "a" }, "1 to 64 nodes"],
      [{ nodes: { a: { compute } }, output: "b" }, 'output names "b"'],
      [{ nodes: { a: { compute, needs: ["b"] }, b: { compute, needs: ["a"] } }, output: "a" }, "circle: a → b → a"],
      [{ nodes: { a: { compute }, b: { compute } }, output: "a" }, "Nothing asks the nodes b"],
      [{ nodes: { a: { ensemble: ["b"] }, b: { compute } }, output: "a" }, "at least two"],
      [
        { nodes: { a: { ensemble: ["b", "c"], least: 3 }, b: { compute }, c: { compute } }, output: "a" },
        "from 1 to 2",
      ],
      [{ nodes: { a: { to: [], switch: () => "a" } }, output: "a" }, "leads nowhere"],
      [{ nodes: { a: { compute, timeoutMs: 0 } }, output: "a" }, "timeoutMs"],
      [
        { nodes: { a: { ensemble: ["b", "c"], weights: { b: 0 } }, b: { compute }, c: { compute } }, output: "a" },
        "weight",
      ],
      [{ nodes: { a: { to: ["b"], switch: () => "b", cache: {} }, b: { compute } }, output: "a" }, "remember"],
    ] as readonly (readonly [GraphPlan, string])[])
      expect(() => inferenceGraph(plan)).toThrow(told);
  });

  it("a switch that names a node of its own making, and a mean of texts, are failures of the graph", async () => {
    const label = { compute: (): Tensors => ({ label: { dtype: "string", shape: [1], data: ["x"] } }) };
    await using astray = await serverWith(
      inferenceGraph({ nodes: { a: { to: ["b"], switch: () => "c" }, b: label }, output: "a" }),
    );
    await expect(astray.ask()).rejects.toMatchObject({ code: "SERVING_GRAPH_FAILED" });
    await using mean = await serverWith(
      inferenceGraph({ nodes: { a: label, b: label, c: { ensemble: ["a", "b"] } }, output: "c" }),
    );
    await expect(mean.ask()).rejects.toThrow("has no mean");
  });
});
