import {
  type CapturedPrediction,
  type CapturedTensors,
  type LoadedModel,
  type ModelRuntime,
  type PredictionSink,
  type Tensors,
} from "@millwright/contracts";
import { tensorColumns } from "@millwright/data";
import { type PredictRequest, openModelServer } from "@millwright/serving";
import { expect, test } from "vitest";
import { createCounts } from "./counts.ts";
import { type ModelFolder, denseRuntime, matrix, packFolder } from "./models.ts";

const one = { late: { variants: { main: { model: "late/1", weight: 1 } } } };

/** The dense runtime, which answers by promises where it is slow, and fails at the row that is 13 throughout. */
function runtimeOf(isSlow: boolean): ModelRuntime {
  const dense = denseRuntime();
  const checked = (inputs: Tensors): void => {
    const data = inputs["features"]?.data as Float32Array;
    for (let at = 0; at < data.length; at += 4)
      if (data.subarray(at, at + 4).every((value) => value === 13)) throw new Error("an unlucky row");
  };
  return {
    formats: dense.formats,
    async load(directory, manifest, options) {
      const loaded = await dense.load(directory, manifest, options);
      const model: LoadedModel = {
        ...loaded,
        predict: (inputs, call) => {
          if (!isSlow) checked(inputs);
          if (!isSlow) return loaded.predict(inputs, call);
          return new Promise((resolve) => setTimeout(resolve, 1)).then(() => {
            checked(inputs);
            return loaded.predict(inputs, call);
          });
        },
      };
      return model;
    },
  };
}

/** Answered alone and together, of one row and of several, by names and by tensors, refused and failed. */
const asked: readonly (PredictRequest & { readonly requestId: string })[] = [
  ...Array.from({ length: 30 }, (_, at) => ({ requestId: `one-${at}`, instances: [[at, 1, 2, 3]] })),
  {
    requestId: "several",
    instances: [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [9, 10, 11, 12],
    ],
  },
  { requestId: "named", instances: [{ features: [4, 3, 2, 1] }] },
  { requestId: "tensor", inputs: { features: matrix([[1, 1, 1, 1]]) } },
  { requestId: "refused", instances: [[1, 2]] },
  { requestId: "failed", instances: [[13, 13, 13, 13]] },
];

interface Way {
  readonly folder: ModelFolder;
  readonly isSlow: boolean;
  readonly together: boolean;
}

/** @returns what was answered. */
async function capturedBy(
  sink: PredictionSink,
  { folder, isSlow, together }: Way,
): Promise<ReadonlyMap<string, Tensors>> {
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [runtimeOf(isSlow)],
    endpoints: one,
    predictions: sink,
  });
  const answers = new Map<string, Tensors>();
  const ask = async (request: (typeof asked)[number]): Promise<void> => {
    try {
      answers.set(request.requestId, (await server.predict("late", request)).outputs);
    } catch {
      answers.set(request.requestId, {});
    }
  };
  if (together) await Promise.all(asked.map(ask));
  else for (const each of asked) await ask(each);
  return answers;
}

const told = ({ timeMs, latencyMs, ...rest }: CapturedPrediction): unknown => {
  expect(latencyMs).toBeGreaterThanOrEqual(0);
  expect(Math.abs(timeMs + latencyMs - Date.now())).toBeLessThan(60_000);
  return rest;
};

for (const isSlow of [false, true]) {
  for (const together of [false, true]) {
    const how = `${isSlow ? "by promises" : "at once"}, ${together ? "together" : "one by one"}`;
    test(`a sink of tensors is given what a sink of columns is, and each answer as its caller has it: answered ${how}`, async () => {
      await using folder = await packFolder(1);
      const way = { folder, isSlow, together };
      const columns = new Map<string, CapturedPrediction>();
      await capturedBy({ capture: (prediction) => void columns.set(prediction.requestId, prediction) }, way);
      const tensors = new Map<string, CapturedTensors>();
      const others = new Map<string, CapturedPrediction>();
      const answers = await capturedBy(
        {
          capture: (prediction) => void others.set(prediction.requestId, prediction),
          captureTensors: (prediction) => void tensors.set(prediction.requestId, prediction),
        },
        way,
      );
      expect([...others.keys()].toSorted()).toEqual(["failed", "refused"]);
      expect(tensors.size).toBe(asked.length - 2);
      for (const [requestId, { inputs, ...rest }] of tensors) {
        expect(told({ ...rest, features: tensorColumns(inputs) })).toEqual(told(columns.get(requestId)!));
        expect(rest.outputs).toEqual(answers.get(requestId));
      }
      for (const [requestId, prediction] of others) expect(told(prediction)).toEqual(told(columns.get(requestId)!));
      expect(others.get("failed")).toMatchObject({ errorCode: "SERVING_MODEL_FAILED" });
      expect(others.get("failed")?.features?.length).toBe(1);
      expect(others.get("refused")?.features).toBeUndefined();
      expect(others.get("refused")).toMatchObject({ errorCode: "SERVING_INPUT_INVALID" });
    });
  }
}

test("a sink of tensors that throws harms no answer, and is counted", async () => {
  await using folder = await packFolder(1);
  const counts = createCounts();
  const broken = (): void => {
    throw new Error("a broken sink");
  };
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: one,
    predictions: { capture: broken, captureTensors: broken },
    meter: counts.meter,
  });
  for (let at = 0; at < 5; at += 1) await server.predict("late", { instances: [[1, 2, 3, at]] });
  await expect(server.predict("late", { instances: [[1, 2]] })).rejects.toThrow("row 0");
  expect(counts.of("millwright_serving_capture_failures_total", { endpoint: "late" })).toHaveLength(6);
});
