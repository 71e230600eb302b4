import type { JsonValue } from "@millwright/contracts";
import type { Attempt, AttemptOptions } from "../attempt-options.ts";
import { type LineSink, createLineSink } from "../line-sink.ts";
import type { Ending, Intervention } from "../outcome.ts";
import { parseWorkerFrame, protocolVersion, type SupervisorFrame, type WorkerFrame } from "../protocol.ts";
import { LineTail } from "../supervision/out-of-memory.ts";

/** Where a module runs that has no process of its own. */
export interface ModuleBody {
  post(frame: SupervisorFrame): void;
  /** Ends it, whatever it does; absent where nothing can. */
  readonly kill?: (() => void) | undefined;
  /** Resolves when nothing of it runs any more. */
  readonly exited: Promise<Partial<Pick<Ending, "exitCode" | "failure">>>;
}

export interface ModuleHearer {
  /** Takes a frame as a line. */
  frame(line: string): void;
  /** Takes a line of its output. */
  line(stream: "stdout" | "stderr", line: string, cut: boolean): void;
  /** Reads the metrics off the lines since the last time. */
  flush(): void;
}

/** Starts a module and supervises it: what a process tree has besides, there is none of here. */
export function startModule(options: AttemptOptions, open: (hearer: ModuleHearer) => ModuleBody): Attempt {
  return new ModuleAttempt(options, open);
}

class ModuleAttempt implements Attempt {
  readonly identity = undefined;
  readonly ending: Promise<Ending>;
  readonly #options: AttemptOptions;
  readonly #body: ModuleBody;
  readonly #lines: LineSink;
  readonly #tail = new LineTail();
  readonly #over = new AbortController();
  readonly #said: { -readonly [Field in keyof Ending]?: Ending[Field] } = {};
  #unsent: SupervisorFrame[] | undefined = [];
  #lastLifeMs: number;
  #leaving = false;

  constructor(options: AttemptOptions, open: (hearer: ModuleHearer) => ModuleBody) {
    this.#options = options;
    this.#lines = createLineSink(options);
    this.#lastLifeMs = options.clock.monotonicMs();
    this.#body = open({
      frame: (line) => this.#hear(line),
      line: (stream, line, cut) => {
        this.#tail.push(line);
        this.#lines.take(stream, line, cut);
      },
      flush: () => this.#lines.flush(),
    });
    if (this.#body.kill !== undefined) void this.#watchHeartbeat();
    const { endAtOnce } = options;
    const end = (): void => this.#intervene(endAtOnce.reason as Intervention);
    if (endAtOnce.aborted) end();
    endAtOnce.addEventListener("abort", end, { once: true, signal: this.#over.signal });
    this.ending = this.#finish();
  }

  send(body: JsonValue): void {
    this.#post({ type: "message", body });
  }

  stop(reason: string): void {
    const { graceMs } = this.#options;
    this.#post({ type: "stop", reason, graceMs });
    void this.#killAfter(graceMs);
  }

  interrupt(reason: string, graceMs: number = this.#options.graceMs): void {
    if (this.#said.interruption !== undefined || this.#leaving) return;
    this.#said.interruption = reason;
    this.#post({ type: "stop", reason, graceMs, interruption: true });
    void this.#killAfter(graceMs);
  }

  async #killAfter(graceMs: number): Promise<void> {
    if (this.#leaving) return;
    this.#leaving = true;
    if (!(await this.#overWithin(graceMs))) this.#body.kill?.();
  }

  /** True once it is gone. */
  async #overWithin(durationMs: number): Promise<boolean> {
    await this.#options.clock.sleep(durationMs, { signal: this.#over.signal }).catch(() => {});
    return this.#over.signal.aborted;
  }

  #intervene(intervention: Intervention): void {
    if (this.#said.intervention !== undefined || this.#over.signal.aborted) return;
    this.#said.intervention = intervention;
    // What cannot be killed is asked to leave.
    if (this.#body.kill !== undefined) this.#body.kill();
    else this.#post({ type: "stop", reason: "The supervisor ends this job.", graceMs: this.#options.graceMs });
  }

  #post(frame: SupervisorFrame): void {
    if (this.#unsent === undefined) this.#body.post(frame);
    else this.#unsent.push(frame);
  }

  #hear(line: string): void {
    this.#lastLifeMs = this.#options.clock.monotonicMs();
    try {
      this.#take(parseWorkerFrame(line));
    } catch (error) {
      this.#intervene({ kind: "protocol", problem: error instanceof Error ? error.message : String(error) });
    }
  }

  #take(frame: WorkerFrame): void {
    const { journal, clock, onPhase, mask, failedSize } = this.#options;
    const timeMs = clock.nowMs();
    if (frame.type === "hello") this.#greet(frame.protocol);
    else if (frame.type === "phase") onPhase(frame.state);
    else if (frame.type === "message") journal.push({ kind: "message", body: frame.body, timeMs });
    else if (frame.type === "metric") {
      const { type: _, value, ...metric } = frame;
      journal.push({ kind: "metric", ...metric, value: Number(value), timeMs });
    } else if (frame.type === "size") {
      const { size } = frame;
      this.#said.size = size;
      if (failedSize !== undefined && size >= failedSize) this.#intervene({ kind: "same-size", size, failedSize });
    } else if (frame.type === "notice") void this.#killAfter(this.#options.graceMs);
    else if (frame.type === "interrupted") this.#said.interruption ??= frame.reason;
    else if (frame.type === "result") this.#said.result ??= { value: frame.value };
    else if (frame.type === "failure") this.#said.failure ??= { ...frame.error, message: mask(frame.error.message) };
  }

  #greet(version: number): void {
    const { start, onPhase } = this.#options;
    if (version !== protocolVersion || start === undefined) {
      const problem = `The module speaks version ${version} of the protocol, the supervisor ${protocolVersion}.`;
      return this.#intervene({ kind: "protocol", problem });
    }
    // Signals are sent to the process, which is not the job's own.
    this.#body.post({ ...start, noticeSignals: [] });
    for (const frame of this.#unsent ?? []) this.#body.post(frame);
    this.#unsent = undefined;
    onPhase("training");
  }

  async #watchHeartbeat(): Promise<void> {
    const { heartbeatTimeoutMs, clock } = this.#options;
    const everyMs = Math.min(1_000, heartbeatTimeoutMs / 4);
    let checkedMs = clock.monotonicMs();
    while (!(await this.#overWithin(everyMs))) {
      const nowMs = clock.monotonicMs();
      // A check that comes late means that this thread stood still: the frames that came meanwhile have not been read yet.
      if (nowMs - checkedMs > 2 * everyMs + 100) this.#lastLifeMs = Math.max(this.#lastLifeMs, nowMs - everyMs);
      checkedMs = nowMs;
      const { result, failure, interruption } = this.#said;
      const silentMs = nowMs - this.#lastLifeMs;
      if (silentMs > heartbeatTimeoutMs && (result ?? failure ?? interruption) === undefined)
        this.#intervene({ kind: "hung", silentMs });
    }
  }

  async #finish(): Promise<Ending> {
    const { exitCode, failure } = await this.#body.exited;
    this.#over.abort();
    this.#lines.flush();
    return {
      exitCode,
      exitSignal: undefined,
      result: undefined,
      intervention: undefined,
      ...this.#said,
      failure: this.#said.failure ?? failure,
      lines: this.#tail.text,
    };
  }
}
