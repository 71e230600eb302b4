import { hasCode, isMillwrightError, type JsonValue, type PreviousAttempt } from "@millwright/contracts";
import type { LentGpu } from "./devices/grant.ts";
import { notAWorker, protocolInvalid } from "./errors.ts";
import { toJsonNumber } from "./metric-series.ts";
import { protocolVersion, type WorkerFailure, type WorkerFrame, type WorkerPhase } from "./protocol.ts";
import { openLink, type WorkerLink } from "./worker-link.ts";
import { heedSignals, type Listening, listen, type StartFrame } from "./worker-listening.ts";

/** What a job's module is given. */
export interface WorkerContext {
  readonly jobId: string;
  /** From 1; grows by one each time the job is started again. */
  readonly attempt: number;
  readonly input: JsonValue | undefined;
  /** A folder of the job's own that outlives its attempts: the place for checkpoints. */
  readonly directory: string;
  /** The devices, or shares of devices, that are the job's alone while it runs; none where it asked for none. */
  readonly gpus: readonly LentGpu[];
  /**
   * Aborts when the job is to stop, with an `AbortError`, or to leave and go on later, with `JOBS_INTERRUPTED`: on a notice of the launcher's, on SIGTERM
   * to this process, or when its supervisor is gone. Save, then throw the reason: the process ends with code 75, and the job is `interrupted`.
   */
  readonly signal: AbortSignal;
  /** How the attempt before this one failed; undefined in the first, and after an interruption of the launcher. */
  readonly previous: PreviousAttempt | undefined;
  /** Sends a message to whoever holds the job's handle. */
  send(body: JsonValue): void;
  /** Says a metric's value; it may be NaN or infinite. */
  metric(name: string, value: number, at?: { readonly step?: number; readonly epoch?: number }): void;
  /** Called with every message from the handle; those that came before are kept for the first listener. */
  onMessage(listener: (body: JsonValue) => void): void;
  /** Says that the job lives: call it inside long synchronous work, which keeps the timer from doing so. */
  heartbeat(): void;
  /**
   * Says what the memory of this attempt grows with, such as the rows of a batch: one that runs out of memory is tried again only where it said so, and
   * the next attempt ends at once unless it says less.
   */
  size(size: number): void;
  /** Moves the job to the state of that name. */
  phase(state: WorkerPhase): void;
}

/** What a module of a job exports as its default, or hands to `runWorker`. */
export type WorkerFunction = (context: WorkerContext) => JsonValue | void | Promise<JsonValue | void>;

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
  opened ??= Promise.resolve().then(() => openChannel(openLink()));
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

/** Says hello over a link and waits for the start frame. */
export async function openChannel(link: WorkerLink): Promise<WorkerChannel> {
  const post = (frame: WorkerFrame): void => link.post(frame);
  const listening = listen(link);
  post({ type: "hello", protocol: protocolVersion, pid: process.pid, node: process.version });
  const start = await listening.started;
  if (start.protocol !== protocolVersion) throw protocolInvalid(`the supervisor speaks version ${start.protocol}`);
  heedSignals(start.noticeSignals ?? ["SIGTERM"], listening, (reason) => post({ type: "notice", reason }));
  const beat = (): void => post({ type: "heartbeat", rssBytes: process.memoryUsage.rss() });
  let timer: NodeJS.Timeout | undefined;
  const begin = ({ graceMs, heartbeatMs }: StartFrame): void => {
    listening.graceMs = graceMs;
    timer = setInterval(beat, heartbeatMs);
    beat();
  };
  const end = (frame: WorkerFrame): void => {
    if (listening.over) return;
    listening.over = true;
    clearInterval(timer);
    link.end(frame, exitCodes[frame.type] ?? 1);
  };
  const fail = (error: unknown): void => {
    const { reason } = listening.signal;
    // What fails after the notice failed of it: the job goes on from what it has saved.
    if (hasCode(reason, "JOBS_INTERRUPTED")) end({ type: "interrupted", reason: listening.notice });
    else end({ type: "failure", error: failureOf(error) });
  };
  begin(start);
  return {
    start,
    fail,
    get used() {
      return claimed;
    },
    run: (work) => runJob(work, start, { listening, post, beat, begin, rest: () => clearInterval(timer), end, fail }),
  };
}

/** The channel's ways, for the jobs that run on it one after another. */
interface JobWays {
  readonly listening: Listening;
  post(frame: WorkerFrame): void;
  beat(): void;
  /** Begins to give signs of life; `rest` ends it. */
  begin(start: StartFrame): void;
  rest(): void;
  end(frame: WorkerFrame): void;
  fail(error: unknown): void;
}

async function runJob(work: WorkerFunction, start: StartFrame, ways: JobWays): Promise<void> {
  const { listening, end, fail } = ways;
  try {
    listening.signal.throwIfAborted();
    const value = await work(contextOf(start, ways));
    const told = value === undefined ? {} : { value };
    const { stayMark } = start;
    if (stayMark === undefined || listening.signal.aborted || listening.over) end({ type: "result", ...told });
    else void stay(work, { type: "result", ...told, stays: true }, stayMark, ways).catch(fail);
  } catch (error) {
    fail(error);
  }
}

/** Waits for the next job of this process, and runs it the same way. */
async function stay(work: WorkerFunction, frame: WorkerFrame, mark: string, ways: JobWays): Promise<void> {
  const { listening, post, begin, rest } = ways;
  rest();
  await Promise.all([writeOut(process.stdout, `${mark}\n`), writeOut(process.stderr, `${mark}\n`)]);
  listening.renew();
  post(frame);
  const next = await listening.started;
  process.chdir(next.again?.workingDirectory ?? next.directory);
  for (const [name, value] of Object.entries(next.again?.environment ?? {})) process.env[name] = value;
  begin(next);
  await runJob(work, next, ways);
}

/** Resolves when the stream has taken the text, or is gone. */
const writeOut = (stream: NodeJS.WriteStream, text: string): Promise<void> =>
  new Promise((resolve) => stream.write(text, () => resolve()));

function contextOf(
  { jobId, attempt, input, directory, gpus = [], previous }: StartFrame,
  { listening, post, beat }: JobWays,
): WorkerContext {
  return {
    jobId,
    attempt,
    input,
    directory,
    previous,
    gpus,
    signal: listening.signal,
    heartbeat: beat,
    send: (body) => post({ type: "message", body }),
    metric: (name, measured, at) => post(metricFrame(name, measured, at)),
    onMessage: (listener) => listening.onMessage(listener),
    size: (size) => post({ type: "size", size: checkedSize(size) }),
    phase: (state) => post({ type: "phase", state }),
  };
}

/** sysexits.h: 75 is EX_TEMPFAIL, by which the job can go on. */
const exitCodes: Readonly<Partial<Record<WorkerFrame["type"], number>>> = { result: 0, interrupted: 75 };

function checkedSize(size: number): number {
  if (!(size >= 0 && Number.isFinite(size)))
    throw new RangeError(`The size of an attempt is a number from 0, not ${size}.`);
  return size;
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
