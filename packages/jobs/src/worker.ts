import { Socket } from "node:net";
import { type JsonValue, isMillwrightError } from "@millwright/contracts";
import { notAWorker, protocolInvalid } from "./errors.ts";
import { createLineSplitter } from "./line-splitter.ts";
import { toJsonNumber } from "./metric-series.ts";
import {
  channelDescriptor,
  encodeFrame,
  maxFrameLength,
  parseSupervisorFrame,
  protocolVersion,
  type SupervisorFrame,
  type WorkerFailure,
  type WorkerFrame,
  type WorkerPhase,
} from "./protocol.ts";

/** What a job's module is given. */
export interface WorkerContext {
  readonly jobId: string;
  /** From 1; grows by one each time the job is started again. */
  readonly attempt: number;
  readonly input: JsonValue | undefined;
  /** A folder of the job's own that outlives its attempts: the place for checkpoints. */
  readonly directory: string;
  /** Aborts when the job is to stop, or when its supervisor is gone. */
  readonly signal: AbortSignal;
  /** Sends a message to whoever holds the job's handle. */
  send(body: JsonValue): void;
  /** Says a metric's value; it may be NaN or infinite. */
  metric(name: string, value: number, at?: { readonly step?: number; readonly epoch?: number }): void;
  /** Called with every message from the handle; those that came before are kept for the first listener. */
  onMessage(listener: (body: JsonValue) => void): void;
  /** Says that the job lives: call it inside long synchronous work, which keeps the timer from doing so. */
  heartbeat(): void;
  /** Moves the job to the state of that name. */
  phase(state: WorkerPhase): void;
}

/** What a module of a job exports as its default, or hands to `runWorker`. */
export type WorkerFunction = (context: WorkerContext) => JsonValue | void | Promise<JsonValue | void>;

type StartFrame = Extract<SupervisorFrame, { type: "start" }>;

/** The process's end of the channel: there is one. */
export interface WorkerChannel {
  readonly start: StartFrame;
  run(work: WorkerFunction): Promise<void>;
  fail(error: unknown): void;
  /** Whether the module called `runWorker`. */
  readonly used: boolean;
}

let opened: Promise<WorkerChannel> | undefined;
let claimed = false;

/**
 * Runs `work` as this process's job: hands it the input, and sends what it returns or throws. Only in a module that a job runs.
 * Throws `JOBS_NOT_A_WORKER`.
 */
export async function runWorker(work: WorkerFunction): Promise<void> {
  if (opened === undefined) throw notAWorker();
  claimed = true;
  await (await opened).run(work);
}

/** Says hello and waits for the start frame. For the bootstrap alone: throws `JOBS_NOT_A_WORKER` in a process that no job runs. */
export function openWorkerChannel(): Promise<WorkerChannel> {
  opened ??= handshake();
  return opened;
}

export function failureOf(error: unknown): WorkerFailure {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const told = isMillwrightError(error)
    ? { code: error.code, category: error.category, retryable: error.retryable }
    : "code" in error && typeof error.code === "string"
      ? { code: error.code }
      : {};
  return {
    name: error.name,
    message: error.message,
    ...told,
    ...(error.stack === undefined ? {} : { stack: error.stack }),
  };
}

async function handshake(): Promise<WorkerChannel> {
  // In any other process the descriptor is somebody else's, or nobody's.
  if (process.env["MILLWRIGHT_JOB_MARK"] === undefined) throw notAWorker();
  const socket = new Socket({ fd: channelDescriptor, readable: true, writable: true });
  const post = (frame: WorkerFrame): void => {
    if (socket.writable) socket.write(encodeFrame(frame));
  };
  const listening = listen(socket);
  post({ type: "hello", protocol: protocolVersion, pid: process.pid, node: process.version });
  const start = await listening.started;
  if (start.protocol !== protocolVersion) throw protocolInvalid(`the supervisor speaks version ${start.protocol}`);
  listening.graceMs = start.graceMs;
  const beat = (): void => post({ type: "heartbeat", rssBytes: process.memoryUsage.rss() });
  const timer = setInterval(beat, start.heartbeatMs);
  beat();
  const end = (frame: WorkerFrame): void => {
    if (listening.over) return;
    listening.over = true;
    clearInterval(timer);
    const exit = (): void => leave(frame.type === "result" ? 0 : 1);
    if (socket.writable) socket.end(encodeFrame(frame), exit);
    else exit();
  };
  const fail = (error: unknown): void => end({ type: "failure", error: failureOf(error) });
  return {
    start,
    fail,
    get used() {
      return claimed;
    },
    async run(work) {
      const { jobId, attempt, input, directory } = start;
      try {
        listening.signal.throwIfAborted();
        const value = await work({
          jobId,
          attempt,
          input,
          directory,
          signal: listening.signal,
          heartbeat: beat,
          send: (body) => post({ type: "message", body }),
          metric: (name, measured, at) => post(metricFrame(name, measured, at)),
          onMessage: (listener) => listening.onMessage(listener),
          phase: (state) => post({ type: "phase", state }),
        });
        end(value === undefined ? { type: "result" } : { type: "result", value });
      } catch (error) {
        fail(error);
      }
    },
  };
}

function metricFrame(...[name, value, { step, epoch } = {}]: Parameters<WorkerContext["metric"]>): WorkerFrame {
  if (typeof name !== "string" || name === "")
    throw new TypeError(`The name of a metric is a text, not ${String(name)}.`);
  if (typeof value !== "number")
    throw new TypeError(`The value of the metric "${name}" is a number, not ${String(value)}.`);
  const place = (number: number | undefined): number | undefined => (Number.isFinite(number) ? number : undefined);
  type Told = Extract<WorkerFrame, { type: "metric" }>["value"];
  return { type: "metric", name, value: toJsonNumber(value) as Told, step: place(step), epoch: place(epoch) };
}

/** Ends the process by itself where nothing is left to do, and soon in any case: a forgotten timer must not keep a job from ending. */
function leave(code: number): void {
  process.exitCode = code;
  // oxlint-disable-next-line no-process-exit -- this process is the job's own, and the job has ended
  setTimeout(() => process.exit(code), 1_000).unref();
}

interface Listening {
  readonly started: Promise<StartFrame>;
  readonly signal: AbortSignal;
  onMessage(listener: (body: JsonValue) => void): void;
  graceMs: number;
  /** Whether the last frame was sent. */
  over: boolean;
}

function listen(socket: Socket): Listening {
  const controller = new AbortController();
  const waiting: JsonValue[] = [];
  const listeners: ((body: JsonValue) => void)[] = [];
  let alone = false;
  let begin: (frame: StartFrame) => void;
  const listening: Listening = {
    started: new Promise((resolve) => (begin = resolve)),
    signal: controller.signal,
    graceMs: 10_000,
    over: false,
    onMessage(listener) {
      listeners.push(listener);
      for (const body of waiting.splice(0)) listener(body);
    },
  };
  const take = (frame: SupervisorFrame): void => {
    if (frame.type === "start") begin(frame);
    else if (frame.type === "stop") controller.abort(new DOMException(frame.reason, "AbortError"));
    else if (listeners.length === 0) waiting.push(frame.body);
    else for (const listener of listeners) listener(frame.body);
  };
  const splitter = createLineSplitter(maxFrameLength, (line) => take(parseSupervisorFrame(line)));
  // A supervisor that is gone cannot stop this process any more: it stops itself, and is killed by its own hand when it does not.
  const orphaned = (): void => {
    if (listening.over || alone) return;
    alone = true;
    controller.abort(new DOMException("The supervisor of this job is gone.", "AbortError"));
    setTimeout(() => process.kill(process.pid, "SIGKILL"), listening.graceMs).unref();
  };
  socket.on("data", (chunk: Buffer) => splitter.push(chunk));
  socket.on("end", orphaned);
  socket.on("error", orphaned);
  return listening;
}
