import type { CallOptions, Clock, ModelManifest, Tensor, TensorSpec, Tensors } from "@millwright/contracts";
import { type OpenedModel, runGolden } from "@millwright/model";
import { isBatchable } from "./signature.ts";

/** How models are asked before they take traffic, so that their first request finds compiled code and kernels that are there. */
export interface WarmUpOptions {
  /** How long a model may take for it, milliseconds, where its answers do not settle before; a model of a catalog a fifth of it. Default: 250. */
  readonly budgetMs?: number | undefined;
}

export interface WarmUpSite extends CallOptions {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly budgetMs: number;
  readonly maxBatchRows: number;
  /** Answers a JSON body as a request over HTTP is answered. */
  ask(body: Uint8Array): Promise<unknown>;
}

/** What came of it. */
export interface WarmUp {
  /** Requests that were asked. */
  readonly requests: number;
  /** Whether the answers took no less time at the end than before. */
  readonly settled: boolean;
}

const mostRows = 32;
const mostRounds = 2000;
/** Rounds that are compared with as many after them. */
const windowRounds = 25;

/**
 * Asks a model its golden requests, else made-up values in the shapes of its signature, one row at a time and in batches, from the bytes of a JSON body to those of the
 * answer, until the time that takes no longer falls or the budget is spent. What the model says of made-up inputs is not looked at. Rejects on abort alone.
 */
export async function warmUp(model: OpenedModel, manifest: ModelManifest, site: WarmUpSite): Promise<WarmUp> {
  const { clock, budgetMs, maxBatchRows, ask, signal } = site;
  const { signature } = manifest;
  const asked = await askedInputs(model, manifest);
  const rows = isBatchable(signature) ? [1, Math.min(mostRows, maxBatchRows)] : [1];
  const bodies = rows.flatMap((times) => asked.map((inputs) => bodyOf(tiledAll(inputs, times))));
  const startMs = clock.monotonicMs();
  const times: number[] = [];
  let requests = 0;
  try {
    while (times.length < mostRounds && !isSettled(times)) {
      const roundMs = clock.monotonicMs();
      if (roundMs - startMs > budgetMs) return { requests, settled: false };
      for (const body of bodies) {
        signal?.throwIfAborted();
        requests += 1;
        await ask(body);
      }
      times.push(clock.monotonicMs() - roundMs);
    }
  } catch (error) {
    signal?.throwIfAborted();
    // What is made up may be none of what the model takes: then it starts cold.
    void error;
    return { requests, settled: false };
  }
  return { requests, settled: true };
}

const medianOf = (times: readonly number[]): number =>
  times.toSorted((left, right) => left - right)[times.length >> 1] ?? 0;

/** Whether a window of rounds took no less than nine tenths of the one before it. */
function isSettled(times: readonly number[]): boolean {
  if (times.length < 2 * windowRounds || times.length % windowRounds !== 0) return false;
  const before = medianOf(times.slice(-2 * windowRounds, -windowRounds));
  return medianOf(times.slice(-windowRounds)) >= 0.9 * before;
}

async function askedInputs(model: OpenedModel, manifest: ModelManifest): Promise<readonly Tensors[]> {
  if (manifest.golden.length === 0)
    return [Object.fromEntries(manifest.signature.inputs.map((spec) => [spec.name, madeUp(spec)]))];
  const seen: Tensors[] = [];
  const predict = (inputs: Tensors): ReturnType<OpenedModel["predict"]> => {
    seen.push(inputs);
    return model.predict(inputs);
  };
  await runGolden({ predict }, manifest);
  return seen.slice(0, 4);
}

const makers: Readonly<Record<string, (count: number) => Tensor["data"]>> = {
  string: (count) => Array.from({ length: count }, () => ""),
  float32: (count) => new Float32Array(count),
  float64: (count) => new Float64Array(count),
  int8: (count) => new Int8Array(count),
  int16: (count) => new Int16Array(count),
  int32: (count) => new Int32Array(count),
  int64: (count) => new BigInt64Array(count),
  uint16: (count) => new Uint16Array(count),
  uint32: (count) => new Uint32Array(count),
  uint64: (count) => new BigUint64Array(count),
};

/** Digits, signs and exponents as they come in requests: zeros alone would leave most of what reads numbers cold. */
const made = [0.5, -1.25, 0.0078125, 3, -0.333333333333, 12.75, 0, 0.001, -42, 7.1e-5, 0.98765432109876];

/** Made-up values, one row of what is free. */
function madeUp({ dtype, shape: free }: TensorSpec): Tensor {
  const shape = free.map((size) => (size < 0 ? 1 : size));
  const count = shape.reduce((product, size) => product * size, 1);
  const make = makers[dtype] ?? ((length: number) => new Uint8Array(length));
  const data = make(count);
  if (data instanceof Float32Array || data instanceof Float64Array)
    for (let at = 0; at < count; at += 1) data[at] = made[at % made.length] as number;
  return { dtype, shape, data } as Tensor;
}

const tiledAll = (inputs: Tensors, times: number): Tensors =>
  times === 1
    ? inputs
    : Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, tiled(tensor, times)]));

/** So many times the rows of a tensor, one after the other. */
function tiled({ dtype, shape, data }: Tensor, times: number): Tensor {
  const [rows = 1, ...rest] = shape;
  const values = Array.from({ length: times }, () => Array.from(data as ArrayLike<unknown>)).flat();
  const make = makers[dtype] ?? ((length: number) => new Uint8Array(length));
  const made = make(values.length) as unknown as unknown[];
  for (const [at, value] of values.entries()) made[at] = value;
  return { dtype, shape: [rows * times, ...rest], data: made } as unknown as Tensor;
}

/** The body that a client would send. */
function bodyOf(inputs: Tensors): Uint8Array {
  const lists = Object.entries(inputs).map(([name, tensor]) => [name, nested(tensor)] as const);
  const [first] = lists;
  const body =
    lists.length === 1 && first !== undefined ? { instances: first[1] } : { inputs: Object.fromEntries(lists) };
  return Buffer.from(JSON.stringify(body));
}

function nested({ shape, data }: Tensor): unknown {
  let level: unknown[] = Array.from(data as ArrayLike<unknown>, (value) =>
    typeof value === "bigint" ? Number(value) : typeof value === "number" && !Number.isFinite(value) ? 0 : value,
  );
  for (const size of shape.slice(1).toReversed()) {
    const above: unknown[] = [];
    for (let at = 0; at < level.length; at += Math.max(1, size)) above.push(level.slice(at, at + size));
    level = above;
  }
  return level;
}
