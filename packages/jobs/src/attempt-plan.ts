import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { JobSpec, PreviousAttempt } from "@millwright/contracts";
import type { AttemptOptions } from "./attempt-options.ts";
import { createMask, safeEnvironment } from "./environment.ts";
import { protocolVersion } from "./protocol.ts";
import type { Slot } from "./slots.ts";

export interface AttemptSetting {
  /** From 1. */
  readonly attempt: number;
  readonly slot: Pick<Slot, "gpus" | "environment">;
  readonly mark: string;
  /** The job's own folder, and its working directory where the spec names none. */
  readonly work: string;
  readonly parentEnvironment: Readonly<Record<string, string | undefined>>;
  readonly previous: PreviousAttempt | undefined;
  readonly failedSize: number | undefined;
  readonly noticeSignals: readonly string[];
  /** Whether the process is one that another job has run in, and may wait for one more. */
  readonly warm: { readonly again: boolean; readonly stayMark: string | undefined };
}

type AttemptPlan = Omit<
  AttemptOptions,
  "clock" | "memoryPollMs" | "journal" | "onPhase" | "endAtOnce" | "warm" | "keep"
>;

// Compiled or not, the process runs the compiled bootstrap: Node cannot run the other everywhere.
const bootstrapPath = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../dist/bootstrap.js" : "./bootstrap.js", import.meta.url),
);

/** What one attempt of a job runs, where, and with which environment and limits. */
export function planAttempt(spec: JobSpec, setting: AttemptSetting): AttemptPlan {
  const { attempt, slot, mark, work, parentEnvironment, failedSize } = setting;
  const { run, limits } = spec;
  const graceMs = limits?.graceMs ?? 10_000;
  const heartbeatTimeoutMs = limits?.heartbeatTimeoutMs ?? 60_000;
  const own = {
    ...(spec.traceparent === undefined ? {} : { TRACEPARENT: spec.traceparent }),
    ...spec.environment,
    MILLWRIGHT_JOB_ID: spec.id,
    MILLWRIGHT_JOB_ATTEMPT: String(attempt),
    MILLWRIGHT_JOB_DIRECTORY: work,
    MILLWRIGHT_JOB_OUTPUT: join(work, "output"),
  };
  const workingDirectory = spec.workingDirectory ?? work;
  const again = setting.warm.again ? { workingDirectory, environment: own } : undefined;
  const start = startFrame(spec, setting, graceMs, heartbeatTimeoutMs);
  return {
    command: "module" in run ? [process.execPath, bootstrapPath] : run.command,
    workingDirectory,
    environment: {
      ...safeEnvironment(parentEnvironment),
      ...slot.environment,
      ...own,
      MILLWRIGHT_JOB_MARK: mark,
    },
    metrics: spec.metrics ?? [],
    mask: createMask(spec.environment ?? {}),
    start: start === undefined || again === undefined ? start : { ...start, again },
    failedSize,
    mark,
    graceMs,
    heartbeatTimeoutMs,
    memoryBytes: limits?.memoryBytes,
  };
}

function startFrame(
  { id, run }: JobSpec,
  { attempt, work, slot, previous, noticeSignals, warm }: AttemptSetting,
  graceMs: number,
  heartbeatTimeoutMs: number,
): AttemptPlan["start"] {
  if (!("module" in run)) return undefined;
  const { module, input } = run;
  return {
    type: "start",
    protocol: protocolVersion,
    jobId: id,
    module,
    attempt,
    directory: work,
    heartbeatMs: Math.min(5_000, Math.max(20, heartbeatTimeoutMs / 4)),
    graceMs,
    noticeSignals,
    ...(previous === undefined ? {} : { previous }),
    ...(warm.stayMark === undefined ? {} : { stayMark: warm.stayMark }),
    ...(slot.gpus.length === 0 ? {} : { gpus: slot.gpus }),
    ...(input === undefined ? {} : { input }),
  };
}
