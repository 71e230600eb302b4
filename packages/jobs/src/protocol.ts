import type { ErrorCategory, JsonValue, PreviousAttempt } from "@millwright/contracts";
import type { LentGpu } from "./devices/grant.ts";
import { protocolInvalid } from "./errors.ts";

/** The version of the frames below. Both sides must speak the same; what is added to it later is optional. */
export const protocolVersion = 1;

/** The file descriptor of the channel in the job's process: JSON lines in UTF-8, both ways. */
export const channelDescriptor = 3;

/** Longest frame in characters; larger things belong into files. */
export const maxFrameLength: number = 16 * 1024 * 1024;

/** What a job failed of, as it crosses the channel. */
export interface WorkerFailure {
  readonly name: string;
  readonly message: string;
  readonly code?: string | undefined;
  readonly category?: ErrorCategory | undefined;
  readonly retryable?: boolean | undefined;
  readonly stack?: string | undefined;
}

/** Frames from the job's process to its supervisor. `hello` is the first, `result`, `failure` or `interrupted` the last. */
export type WorkerFrame =
  | { readonly type: "hello"; readonly protocol: number; readonly pid: number; readonly node: string }
  | { readonly type: "heartbeat"; readonly rssBytes: number }
  | { readonly type: "phase"; readonly state: WorkerPhase }
  | { readonly type: "message"; readonly body: JsonValue }
  /** JSON has no number for what is not finite: that is a text. */
  | {
      readonly type: "metric";
      readonly name: string;
      readonly value: number | "NaN" | "Infinity" | "-Infinity";
      readonly step?: number | undefined;
      readonly epoch?: number | undefined;
    }
  /** What the memory of this attempt grows with, in whatever unit. */
  | { readonly type: "size"; readonly size: number }
  /** The process itself was told that it has to leave: the supervisor kills it `graceMs` later, whatever it does. */
  | { readonly type: "notice"; readonly reason: string }
  | {
      readonly type: "result";
      readonly value?: JsonValue | undefined;
      /** Whether the process stays, and takes another `start`. */
      readonly stays?: boolean | undefined;
    }
  | { readonly type: "failure"; readonly error: WorkerFailure }
  /** It had to leave, and can go on where it stopped. */
  | { readonly type: "interrupted"; readonly reason: string };

export type WorkerPhase = "downloading" | "training" | "uploading";

/** Frames from the supervisor to the job's process. `start` answers `hello`. */
export type SupervisorFrame =
  | {
      readonly type: "start";
      readonly protocol: number;
      readonly jobId: string;
      /** From 1. */
      readonly attempt: number;
      readonly module: string;
      readonly input?: JsonValue | undefined;
      /** A folder of the job's own that outlives its attempts. */
      readonly directory: string;
      readonly heartbeatMs: number;
      readonly graceMs: number;
      /** How the attempt before this one failed. */
      readonly previous?: PreviousAttempt | undefined;
      /** Signals by which the process is told that it has to leave. Default: SIGTERM alone. */
      readonly noticeSignals?: readonly string[] | undefined;
      /** After a result the process writes this as a line to stdout and stderr, and stays for another job. Default: it ends. */
      readonly stayMark?: string | undefined;
      /** Of a job that is not the process's first: where it runs, and the variables that are its own. */
      readonly again?:
        | {
            readonly workingDirectory: string;
            readonly environment: Readonly<Record<string, string>>;
          }
        | undefined;
      /** The devices that are lent to the job; absent where it asked for none. */
      readonly gpus?: readonly LentGpu[] | undefined;
    }
  | { readonly type: "message"; readonly body: JsonValue }
  | {
      readonly type: "stop";
      readonly reason: string;
      readonly graceMs: number;
      /** Whether the job is to go on later. */
      readonly interruption?: boolean | undefined;
    };

export const encodeFrame = (frame: WorkerFrame | SupervisorFrame): string => `${JSON.stringify(frame)}\n`;

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === "string";
const count: Check = (value) => typeof value === "number" && Number.isFinite(value) && value >= 0;
const whole: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const anything: Check = (value) => value !== undefined;
const number: Check = (value) =>
  (typeof value === "number" && Number.isFinite(value)) ||
  value === "NaN" ||
  value === "Infinity" ||
  value === "-Infinity";
const place: Check = (value) => value === undefined || (typeof value === "number" && Number.isFinite(value));
const phase: Check = (value) => value === "downloading" || value === "training" || value === "uploading";
const failure: Check = (value) => {
  if (typeof value !== "object" || value === null) return false;
  return "name" in value && text(value.name) && "message" in value && text(value.message);
};

const lentGpu: Check = (value) =>
  typeof value === "object" &&
  value !== null &&
  "id" in value &&
  text(value.id) &&
  "share" in value &&
  count(value.share);

const workerFrames: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  hello: { protocol: whole, pid: whole, node: text },
  heartbeat: { rssBytes: count },
  phase: { state: phase },
  message: { body: anything },
  metric: { name: text, value: number, step: place, epoch: place },
  size: { size: count },
  notice: { reason: text },
  result: {},
  failure: { error: failure },
  interrupted: { reason: text },
};

const supervisorFrames: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  start: {
    protocol: whole,
    jobId: text,
    attempt: whole,
    module: text,
    directory: text,
    heartbeatMs: count,
    graceMs: count,
    gpus: (value) => value === undefined || (Array.isArray(value) && value.every(lentGpu)),
  },
  message: { body: anything },
  stop: { reason: text, graceMs: count },
};

function parseFrame(line: string, frames: typeof workerFrames): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw protocolInvalid(`a frame is not JSON: ${line.slice(0, 80)}`);
  }
  if (typeof value !== "object" || value === null || !("type" in value) || typeof value.type !== "string") {
    throw protocolInvalid(`a frame has no type: ${line.slice(0, 80)}`);
  }
  const checks = Object.hasOwn(frames, value.type) ? frames[value.type] : undefined;
  if (checks === undefined) throw protocolInvalid(`no frame has the type "${value.type}"`);
  for (const [field, check] of Object.entries(checks)) {
    if (!check((value as Fields)[field])) throw protocolInvalid(`"${field}" of a ${value.type} frame is not right`);
  }
  return value as unknown as Fields;
}

/** Reads a line from the job's process. Throws `JOBS_PROTOCOL_INVALID`. */
export const parseWorkerFrame = (line: string): WorkerFrame => parseFrame(line, workerFrames) as unknown as WorkerFrame;

/** Reads a line from the supervisor. Throws `JOBS_PROTOCOL_INVALID`. */
export const parseSupervisorFrame = (line: string): SupervisorFrame =>
  parseFrame(line, supervisorFrames) as unknown as SupervisorFrame;
