import type { GradientSource } from "../gradient-step.ts";
import { inputInvalid } from "../errors.ts";
import type { TrainingDefinition } from "../define-training.ts";
import type { TrainingRequest } from "../run-messages.ts";
import type { Session } from "../run-session.ts";
import { ParallelGradients } from "./parallel-gradients.ts";
import { openProcessTransport } from "./process-transport.ts";
import type { ReplicaSpec } from "./replica.ts";
import { ShardLearner } from "./shard-learner.ts";
import { weightCount } from "./step-vector.ts";
import { openThreadTransport } from "./thread-transport.ts";
import type { Transport } from "./transport.ts";
import { type WorkerChange, WorkerGroup } from "./worker-group.ts";
import type { ResolvedWorkers } from "./workers-option.ts";

/** What a result says of a run's workers. */
export interface WorkersReport {
  /** As many as were asked for. */
  readonly count: number;
  readonly transport: "threads" | "processes";
  readonly shards: number | "workers";
  readonly reduction: "tree" | "arrival";
  /** Workers that were lost and replaced in the last attempt, in their order. */
  readonly changes: readonly WorkerChange[];
}

/** The workers of a run, while it trains. */
export interface RunWorkers extends AsyncDisposable {
  readonly gradients: GradientSource;
  /** The part of a batch that is learned from, from the next epoch on: less than 1 where batches shrink with their workers. */
  batchShare(): number;
  report(): WorkersReport;
}

type Devices = Pick<TrainingDefinition, "native" | "webgpu">;

function transportOf(
  { transport }: ResolvedWorkers,
  device: TrainingRequest["device"],
  devices: Devices,
): Transport["kind"] {
  if (transport !== null) return transport;
  const plain = device === "wasm" || device === "js" || (device === "auto" && hasWasmAlone(devices));
  return plain ? "threads" : "processes";
}

const hasWasmAlone = ({ native = [], webgpu }: Devices): boolean =>
  [native].flat().length === 0 && webgpu === undefined;

/**
 * The GPUs of a run whose workers have one each. From then on this process, which has not loaded a native library yet, sees the first alone.
 */
export function divideGpus({ workers, device }: TrainingRequest, devices: Devices): readonly string[] {
  const gpus = (process.env["CUDA_VISIBLE_DEVICES"] ?? "").split(",").filter((gpu) => gpu !== "");
  if (workers == null || workers.count === 1 || gpus.length < 2) return gpus;
  if (transportOf(workers, device, devices) === "processes") process.env["CUDA_VISIBLE_DEVICES"] = gpus[0];
  return gpus;
}

/** Most rows that are learned from at once, where the options say; undefined for no such limit. */
export function pieceRowsOf({ request, optimization }: Pick<Session, "request" | "optimization">): number | undefined {
  const { accumulate = 1 } = optimization;
  const rows = Math.min(
    accumulate === 1 ? Infinity : Math.ceil(request.batchSize / accumulate),
    request.microBatch ?? Infinity,
  );
  return Number.isFinite(rows) ? rows : undefined;
}

/**
 * Starts the workers that the request asks for; undefined where it asks for none. Throws `TRAINER_PARALLEL_UNFIT`, `TRAINER_WORKERS_LOST`, `TRAINER_INPUT_INVALID`.
 * @param alone Whether this process is to be the only one: what it computes is the same.
 */
export async function openRunWorkers(
  session: Session,
  devices: Devices,
  {
    gpus = [],
    alone = false,
    onChange = () => {},
  }: {
    readonly gpus?: readonly string[] | undefined;
    readonly alone?: boolean | undefined;
    readonly onChange?: ((change: WorkerChange) => void) | undefined;
  } = {},
): Promise<RunWorkers | undefined> {
  const { request, ready, tfjs, prepared, context } = session;
  const { workers } = request;
  if (workers == null) return undefined;
  const learner = new ShardLearner(tfjs.tf, ready, { seed: request.seed, width: prepared.train.width });
  const kind = transportOf(workers, request.device, devices);
  if (kind === "threads" && workers.count > 1 && tfjs.device !== "wasm" && tfjs.device !== "js")
    throw inputInvalid(
      "workers.transport",
      kind,
      `"processes" for the device "${tfjs.device}", whose library has no threads`,
    );
  const spec = specOf(session, workers, learner);
  const transport = kind === "threads" ? openThreadTransport(spec) : openProcessTransport(spec, gpus);
  const group = new WorkerGroup({
    ready,
    learner,
    transport,
    workers: alone ? { ...workers, count: 1, minimum: 1 } : workers,
    pieceRows: pieceRowsOf(session),
    onChange,
    signal: context.signal,
  });
  try {
    await group.open();
  } catch (error) {
    await transport[Symbol.asyncDispose]();
    throw error;
  }
  return {
    gradients: new ParallelGradients(tfjs.tf, group, learner.layout),
    batchShare: () => (workers.onLoss === "shrink" && !alone ? group.size / workers.count : 1),
    report: () => ({
      count: workers.count,
      transport: kind,
      shards: workers.shards,
      reduction: workers.reduction,
      changes: group.changes.filter(({ change }) => change !== "started"),
    }),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

function specOf(
  { request, ready, tfjs, prepared }: Session,
  workers: ResolvedWorkers,
  learner: ShardLearner,
): ReplicaSpec {
  return {
    module: request.module,
    params: request.params,
    seed: request.seed,
    // "auto" may find another one in another process.
    device: tfjs.device,
    names: prepared.names,
    backend: tfjs.backend,
    board: {
      weights: weightCount(ready.model),
      rows: Math.min(request.batchSize, prepared.train.rows),
      width: prepared.train.width,
      slots: workers.shards === "workers" ? workers.count : workers.shards,
      vector: learner.layout.length,
    },
  };
}
