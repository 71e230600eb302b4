// A worker thread of a run's process: it sees when the main thread stands still, and writes down why.
import { execFileSync } from "node:child_process";
import { mkdirSync, openSync, readdirSync, readSync, closeSync, fstatSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "@millwright/contracts";
import { runStalled } from "../errors.ts";
import { type HangFinding, type HangLimits, type HangState, judgeHang } from "./hang-judge.ts";
import { Pulse, type PulseReading } from "./pulse.ts";
import { kernelView, mainThreadStack } from "./stack-dump.ts";

/** What the thread is given. */
export interface HangThreadData {
  readonly shared: SharedArrayBuffer;
  readonly limits: HangLimits;
  readonly policy: "warn" | "fail" | "restart";
  readonly runId: string;
  /** Of the callbacks, in their order. */
  readonly callbacks: readonly string[];
  /** Where bundles go. */
  readonly directory: string;
  /** The job's own folder, with its logs. */
  readonly jobDirectory: string;
  readonly attempt: number;
  readonly pollMs: number;
  readonly gpu: boolean;
}

/** What the main thread is told, and tells on. */
export interface HangNews extends HangFinding {
  readonly step: number;
  readonly bundle: string;
}

const eventsKept = 50;
const logBytes = 65_536;
/** The file descriptor of a job's channel. */
const channel = 3;

const data = workerData as HangThreadData;
const pulse = new Pulse(data.shared);
const events: unknown[] = [];
let state: HangState | undefined;
let busy = false;

parentPort?.on("message", (event: unknown) => {
  events.push(event);
  if (events.length > eventsKept) events.shift();
});

/** The newest of each log there is in the job's folder. */
function logTails(): Readonly<Record<string, string>> {
  const tails: Record<string, string> = {};
  for (const name of readdirSync(data.jobDirectory).filter((file) => /^log.*\.ndjson$/.test(file))) {
    const file = openSync(join(data.jobDirectory, name), "r");
    try {
      const { size } = fstatSync(file);
      const bytes = Buffer.alloc(Math.min(size, logBytes));
      readSync(file, bytes, 0, bytes.length, Math.max(0, size - bytes.length));
      tails[name] = bytes.toString("utf8");
    } finally {
      closeSync(file);
    }
  }
  return tails;
}

function attempted<Value>(work: () => Value): Value | { readonly failed: string } {
  try {
    return work();
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}

/** Node's own report, without the environment, where secrets stand. */
function nodeReport(): object {
  const { environmentVariables: _secret, ...report } = process.report.getReport() as Record<string, unknown>;
  return report;
}

async function writeBundle(finding: HangFinding, reading: PulseReading): Promise<string> {
  const { callback, step } = reading;
  const folder = join(data.directory, `attempt-${data.attempt}-${finding.standstill}-step-${step}`);
  mkdirSync(folder, { recursive: true });
  const stack = await mainThreadStack();
  const during =
    callback === undefined ? undefined : `${callback.hook} of the callback "${data.callbacks[callback.index]}"`;
  const idle =
    "The main thread runs no JavaScript: it waits for a promise, or is in native code; kernel.json says where.";
  writeFileSync(
    join(folder, "stack.txt"),
    `${[...(during === undefined ? [] : [`In ${during}.`]), ...(stack ?? [idle])].join("\n")}\n`,
  );
  const write = (name: string, value: unknown): void =>
    writeFileSync(join(folder, name), JSON.stringify(value, undefined, 2));
  const { pid, version, platform, arch } = process;
  write("report.json", {
    formatVersion: 1,
    ...finding,
    run: data.runId,
    attempt: data.attempt,
    step,
    during,
    lastPhase: reading.phase,
    medianStepMs: reading.medianMs,
    tensors: reading.tensors,
    memory: process.memoryUsage(),
    pid,
    node: version,
    platform,
    arch,
    policy: data.policy,
  });
  write("kernel.json", attempted(kernelView));
  write("events.json", events);
  write("logs.json", attempted(logTails));
  write("node-report.json", attempted(nodeReport));
  if (data.gpu)
    write(
      "device.json",
      attempted(() => execFileSync("nvidia-smi", ["-q"], { encoding: "utf8", timeout: 5_000 })),
    );
  return folder;
}

/** Writes a frame past the main thread, which may be unable to. */
function tell(frame: object): void {
  const bytes = Buffer.from(`${JSON.stringify(frame)}\n`);
  for (let at = 0, tries = 0; at < bytes.length && tries < 1_000; tries += 1) {
    try {
      at += writeSync(channel, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return; // nobody listens any more
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

function endProcess(news: HangNews): void {
  const error = runStalled(data.runId, news, data.policy === "restart");
  const { name, message, code, category, remedy, retryable } = error;
  const said = message.endsWith(` ${remedy}`) ? message.slice(0, -remedy.length - 1) : message;
  tell({ type: "message", body: { kind: "stalled", ...news, policy: data.policy } });
  tell({ type: "message", body: { kind: "error", error: { code, message: said, remedy, category, retryable } } });
  tell({ type: "failure", error: { name, message, code, category, retryable } });
  process.kill(process.pid, "SIGKILL");
}

async function look(): Promise<void> {
  if (busy) return;
  const reading = pulse.read();
  const judged = judgeHang(state, reading, systemClock.monotonicMs(), data.limits);
  ({ state } = judged);
  const { finding } = judged;
  if (finding === undefined) return;
  busy = true;
  try {
    const news: HangNews = { ...finding, step: reading.step, bundle: await writeBundle(finding, reading) };
    const over = finding.standstill === "hang" && data.policy !== "warn" && pulse.read().beats === reading.beats;
    if (over) endProcess(news);
    else parentPort?.postMessage(news);
  } finally {
    busy = false;
  }
}

setInterval(() => {
  // A disk that is full must not end the process from here.
  look().catch(() => {});
}, data.pollMs);
