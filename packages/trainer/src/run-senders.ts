import { type JsonValue, systemClock } from "@millwright/contracts";
import type { WorkerContext } from "@millwright/jobs/worker";
import type { LoopOptions } from "./loop-options.ts";
import type { EpochReport, RunMessage, TrainerMessage, Verdict } from "./run-messages.ts";
import type { Session } from "./run-session.ts";
import type { StopReason } from "./stop-conditions.ts";
import { objectiveOf } from "./loop-metrics.ts";

export const send = (context: WorkerContext, message: RunMessage): void =>
  context.send(message as unknown as JsonValue);

/** Throws, after the step in which it did, where the device has failed. */
export function progressSender({ request, context, prepared, tfjs }: Session): LoopOptions["onStep"] {
  const batches = Math.ceil(prepared.train.rows / request.batchSize);
  const steps = batches * request.epochs;
  let sentMs = -Infinity;
  return (step, epoch, loss, rowsPerSecond) => {
    tfjs.check();
    const nowMs = systemClock.monotonicMs();
    if (nowMs - sentMs < request.progressEveryMs) return;
    sentMs = nowMs;
    const secondsLeft = rowsPerSecond === 0 ? 0 : ((steps - step) / batches) * (prepared.train.rows / rowsPerSecond);
    send(context, {
      kind: "progress",
      epoch,
      epochs: request.epochs,
      step,
      steps,
      loss: loss ?? null,
      rowsPerSecond,
      secondsLeft,
    });
  };
}

/** Tells epochs, and hears what the trainer says to them. */
export function trainerLine({
  request,
  context,
  task,
  prepared,
}: Session): Required<Pick<LoopOptions, "onEpoch" | "stopAsked">> {
  const verdicts = new Map<number, Verdict["verdict"]>();
  let asked: StopReason | undefined;
  let wake: (() => void) | undefined;
  context.onMessage((body) => {
    const message = body as unknown as TrainerMessage;
    if ("finish" in message) asked ??= message.finish;
    else verdicts.set(message.epoch, message.verdict);
    wake?.();
  });
  const objective = objectiveOf({ task, validation: prepared.validation });
  context.signal.addEventListener("abort", () => wake?.(), { once: true });
  const onEpoch = async (report: EpochReport, checkpoint: string | undefined): Promise<Verdict["verdict"]> => {
    const value = report.metrics[objective] ?? report.trainLoss;
    send(context, { kind: "epoch", ...report, value, checkpoint: checkpoint ?? null, again: false });
    while (request.awaitVerdict && !verdicts.has(report.epoch)) {
      context.signal.throwIfAborted();
      await new Promise<void>((resolve) => (wake = resolve));
    }
    return verdicts.get(report.epoch) ?? "continue";
  };
  return { onEpoch, stopAsked: () => asked };
}
