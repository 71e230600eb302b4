import assert from "node:assert/strict";
import { digestOf } from "../digest.ts";
import type {
  CapturedLabel,
  CapturedPrediction,
  CapturedTensors,
  LabelSink,
  PredictionSink,
} from "../prediction-sink.ts";
import type { ContractCase } from "./contract-case.ts";

const prediction = (index: number): CapturedPrediction => ({
  requestId: `r${index}`,
  endpoint: "late",
  variant: "main",
  model: { name: "late", version: 1, digest: digestOf("model") },
  timeMs: 1_700_000_000_000 + index,
  latencyMs: 1.5,
  features: { length: 1, columns: { distance: { type: "float64", length: 1, values: Float64Array.of(index) } } },
  outputs: { probability: { dtype: "float32", shape: [1], data: Float32Array.of(0.5) } },
});

const label = (index: number): CapturedLabel => ({ requestId: `r${index}`, value: 1, timeMs: 1_700_000_000_000 });

/** Odd in every field whose type allows it. */
const oddPredictions: readonly CapturedPrediction[] = [
  { ...prediction(0), features: undefined, outputs: undefined, errorCode: "SERVING_OVERLOADED" },
  { ...prediction(1), timeMs: Number.NaN, latencyMs: Number.NEGATIVE_INFINITY },
  { ...prediction(2), requestId: "", endpoint: "", variant: "" },
  { ...prediction(3), features: { length: 0, columns: {} }, outputs: {} },
  { ...prediction(4), endpoint: "nobody knows it", model: { name: "x", digest: digestOf("x") } },
  prediction(4),
];

const tensors = (index: number): CapturedTensors => {
  const { features: _, ...asked } = prediction(index);
  const data = Float32Array.of(index, -index);
  return { ...asked, inputs: { features: { dtype: "float32", shape: [1, 2], data } } };
};

/** Odd in every field whose type allows it. */
const oddTensors: readonly CapturedTensors[] = [
  { ...tensors(0), outputs: undefined, errorCode: "SERVING_OVERLOADED" },
  { ...tensors(1), timeMs: Number.NaN, latencyMs: Number.NEGATIVE_INFINITY },
  { ...tensors(2), inputs: {} },
  { ...tensors(3), inputs: { text: { dtype: "string", shape: [1], data: ["late"] } } },
  { ...tensors(4), inputs: { features: { dtype: "float32", shape: [0, 2], data: new Float32Array(0) } } },
  { ...tensors(5), inputs: { features: { dtype: "float32", shape: [3, 7], data: Float32Array.of(1) } } },
  tensors(5),
];

const takesTensors = (sink: PredictionSink): boolean => sink.captureTensors !== undefined;

/** What each prediction sink promises: it never throws and never makes the caller wait. */
export const predictionSinkContract: readonly ContractCase<PredictionSink>[] = [
  {
    name: "capture returns nothing to wait for",
    run: async (sink) => assert.equal(sink.capture(prediction(0)), undefined),
  },
  {
    name: "capture never throws, whatever comes",
    run: async (sink) => {
      for (const odd of oddPredictions) sink.capture(odd);
    },
  },
  {
    name: "a flood is taken without a throw and without a turn of the event loop",
    run: async (sink) => {
      for (let index = 0; index < 20_000; index += 1) sink.capture(prediction(index));
    },
  },
  {
    name: "capture works as a bare function",
    run: async ({ capture }) => assert.equal(capture(prediction(0)), undefined),
  },
  {
    name: "captureTensors returns nothing to wait for, never throws, and works as a bare function",
    appliesTo: takesTensors,
    run: async ({ captureTensors }) => {
      for (const odd of oddTensors) assert.equal(captureTensors?.(odd), undefined);
    },
  },
  {
    name: "a flood of tensors is taken without a throw and without a turn of the event loop",
    appliesTo: takesTensors,
    run: async (sink) => {
      for (let index = 0; index < 20_000; index += 1) sink.captureTensors?.(tensors(index));
    },
  },
];

/** What each label sink promises: it never throws and never makes the caller wait. */
export const labelSinkContract: readonly ContractCase<LabelSink>[] = [
  {
    name: "label returns nothing to wait for",
    run: async (sink) => assert.equal(sink.label(label(0)), undefined),
  },
  {
    name: "label never throws: unknown requests, corrections, odd values",
    run: async (sink) => {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, "", "late", true]) {
        sink.label({ requestId: "nobody asked", value, timeMs: 0 });
      }
      sink.label({ ...label(1), row: 5 });
      sink.label({ ...label(1), row: -1 });
      sink.label({ ...label(1), timeMs: Number.NaN });
    },
  },
  {
    name: "a flood is taken without a throw and without a turn of the event loop",
    run: async (sink) => {
      for (let index = 0; index < 20_000; index += 1) sink.label(label(index));
    },
  },
];
