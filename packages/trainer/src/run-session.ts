import { digestOfJson } from "@millwright/contracts";
import type { WorkerContext } from "@millwright/jobs/worker";
import type { Tfjs } from "@millwright/tfjs";
import type { ReadyModel } from "./build-model.ts";
import type { TrainingTask } from "./define-training.ts";
import type { RuleUse } from "./debugger/rule-use.ts";
import type { LoopOptions } from "./loop-options.ts";
import type { Optimization } from "./optimization.ts";
import type { RunRecord } from "./reproduce/run-record.ts";
import type { Prepared } from "./run-data.ts";
import type { TrainingRequest } from "./run-messages.ts";
import type { RunWorkers } from "./parallel/run-workers.ts";
import { pieceRowsOf } from "./parallel/run-workers.ts";
import type { TrainingCallback } from "./training-callback.ts";
import { objectiveOf } from "./loop-metrics.ts";

/** All that a run's process has, once the training can begin. */
export interface Session {
  readonly request: TrainingRequest;
  readonly context: WorkerContext;
  readonly task: TrainingTask;
  readonly tfjs: Tfjs;
  readonly ready: ReadyModel;
  readonly prepared: Prepared;
  readonly callbacks: readonly TrainingCallback[];
  readonly optimization: Optimization;
  /** Everything that may decide what comes out. */
  readonly facts: RunRecord["facts"];
  /** Those of the module. */
  readonly rules: readonly RuleUse[];
}

/** What a loop is told of a session, besides where it sends what. */
export function loopOptionsOf(session: Session, workers?: RunWorkers): Omit<LoopOptions, "onStep" | "onEpoch"> {
  const { request, task, tfjs, ready, prepared, context, callbacks, optimization } = session;
  const rules = rulesOf(session);
  const { stopping, stopWhen, checkpoints } = request;
  const objective = objectiveOf({ task, validation: prepared.validation });
  const best = checkpoints?.best ?? undefined;
  return {
    tf: tfjs.tf,
    ready,
    task,
    train: prepared.train,
    validation: prepared.validation,
    epochs: request.epochs,
    batchSize: request.batchSize,
    seed: request.seed,
    signal: context.signal,
    callbacks,
    optimization,
    rules,
    traceSpans: request.profile?.traceSpans,
    onDevice: tfjs.device === "gpu",
    stopping: stopping === null ? undefined : { ...stopping, metric: stopping.metric ?? objective },
    stopWhen: stopWhen ?? undefined,
    fingerprint: fingerprintOf(session),
    checkpointSteps: checkpoints?.everySteps ?? undefined,
    checkpointMs: checkpoints?.everyMs ?? undefined,
    keepBest: best === undefined ? undefined : { keep: best.keep, metric: best.metric ?? objective },
    pieceRows: pieceRowsOf(session),
    gradients: workers?.gradients,
    batchShare: workers?.batchShare,
    lossEverySteps: tfjs.backend === "webgpu" || tfjs.device === "gpu" ? 20 : 1,
  };
}

const rulesOf = ({ request, rules }: Session): readonly RuleUse[] => [...rules, ...(request.rules ?? [])];

/** Rules that change how training goes on. */
const changing = (session: Session): readonly string[] =>
  rulesOf(session)
    .filter(({ actions = [] }) => actions.some((action) => typeof action === "object"))
    .map((use) => JSON.stringify({ ...use, rule: typeof use.rule === "string" ? use.rule : use.rule.name }));

/** Everything that decides a step's bits, as text. */
function fingerprintOf(session: Session): Readonly<Record<string, string>> {
  const { request, tfjs, prepared, ready, callbacks, optimization } = session;
  const rules = changing(session);
  return {
    seed: String(request.seed),
    params: JSON.stringify(request.params),
    backend: tfjs.backend,
    tfjs: tfjs.environment["tfjs"] ?? "unknown",
    batchSize: String(request.batchSize),
    rows: String(prepared.train.rows),
    data: request.train.digest,
    ...(prepared.order === undefined ? {} : { shuffle: JSON.stringify(prepared.order) }),
    transforms: `${digestOfJson(prepared.transforms)}${prepared.outOfFold ? ", out of fold" : ""}`,
    optimizer: ready.optimizer.getClassName(),
    ...(callbacks.length === 0 ? {} : { callbacks: callbacks.map(({ name }) => name).join(", ") }),
    ...(rules.length === 0 ? {} : { rules: rules.join(", ") }),
    ...(Object.keys(optimization).length === 0 ? {} : { optimization: JSON.stringify(optimization) }),
    ...(request.workers == null ? {} : { shards: `${request.workers.shards}, ${request.workers.reduction}` }),
  };
}
