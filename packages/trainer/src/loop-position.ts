import type { JsonObject } from "@millwright/contracts";
import type { KeptCheckpoint } from "./best-checkpoints.ts";
import { initialStopping, type StoppingState } from "./early-stopping.ts";
import type { LossScaleState } from "./precision/loss-scale.ts";
import type { PlateauState } from "./reduce-on-plateau.ts";
import type { EpochReport } from "./run-messages.ts";
import type { StopReason } from "./stop-conditions.ts";
import type { CallbackFailure } from "./training-callback.ts";

/** Where a run is: all of it is in every checkpoint. */
export interface Position {
  /** Epochs that are over. */
  epoch: number;
  /** Batches of the current epoch that are over. */
  batch: number;
  /** Rows of the current epoch's batches, where they are not as many as the options say. */
  batchRows: number | undefined;
  /** Whether the current epoch's beginning has been told. */
  begun: boolean;
  step: number;
  /** Sum, over the epoch's batches whose loss was looked at, of the loss times their rows. */
  lossSum: number;
  /** Rows of those batches. */
  lossRows: number;
  /** Steps of the epoch that were left out, because their loss was no number. */
  skipped: number;
  reports: EpochReport[];
  stopping: StoppingState;
  /** Of training and validation, in all attempts. */
  elapsedMs: number;
  /** What a callback set it to. */
  learningRate: number | undefined;
  plateau: PlateauState | undefined;
  lossScale: LossScaleState | undefined;
  /** Why it is to end. */
  stop: StopReason | undefined;
  /** Best first. */
  kept: readonly KeptCheckpoint[];
  /** Weights that are in the average. */
  averaged: number;
}

export const initialPosition = (): Position => ({
  epoch: 0,
  batch: 0,
  batchRows: undefined,
  begun: false,
  step: 0,
  lossSum: 0,
  lossRows: 0,
  skipped: 0,
  reports: [],
  stopping: initialStopping,
  elapsedMs: 0,
  learningRate: undefined,
  plateau: undefined,
  lossScale: undefined,
  stop: undefined,
  kept: [],
  averaged: 0,
});

/** A position beside what callbacks keep. */
export interface SavedPosition {
  readonly position: Position;
  readonly callbacks: JsonObject;
  readonly callbackFailures: readonly CallbackFailure[];
}

/** JSON has no NaN: a metric that is none is written as null. */
export const encodePosition = ({ position, callbacks, callbackFailures }: SavedPosition): JsonObject =>
  JSON.parse(JSON.stringify({ ...position, callbacks, callbackFailures })) as JsonObject;

const number = (value: number | null): number => value ?? Number.NaN;

/** @param rowsDone Rows of the current epoch that are over, for checkpoints of runs that looked at every step and do not say. */
export function decodePosition(state: JsonObject, rowsDone: (batch: number) => number): SavedPosition {
  const saved = state as unknown as Partial<Position> & Partial<Omit<SavedPosition, "position">>;
  const position: Position = { ...initialPosition() };
  for (const key of Object.keys(position) as (keyof Position)[]) {
    if (saved[key] !== undefined) Object.assign(position, { [key]: saved[key] });
  }
  position.lossRows = saved.lossRows ?? rowsDone(position.batch);
  position.begun = saved.begun ?? position.batch > 0;
  position.lossSum = number(position.lossSum);
  position.stopping = { ...position.stopping, bestValue: position.stopping.bestValue ?? undefined };
  position.reports = position.reports.map((report) => ({
    ...report,
    trainLoss: number(report.trainLoss),
    metrics: Object.fromEntries(Object.entries(report.metrics).map(([name, value]) => [name, number(value)])),
  }));
  return { position, callbacks: saved.callbacks ?? {}, callbackFailures: saved.callbackFailures ?? [] };
}
