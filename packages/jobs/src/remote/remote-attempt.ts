import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, hasCode, type JobEvent, type JsonValue, type MillwrightError } from "@millwright/contracts";
import type { Intervention } from "../outcome.ts";
import { encodeFrame, type SupervisorFrame } from "../protocol.ts";
import { cancelName, inboxName } from "./attempt-script.ts";
import type { AttemptName, Cluster, ClusterAttempt, ClusterStatus } from "./cluster.ts";
import type { RemoteLog } from "./remote-log.ts";
import { judgeRemote, type RemoteVerdict } from "./verdict.ts";

export interface RemoteAttemptOptions {
  readonly cluster: Cluster;
  readonly plan: ClusterAttempt;
  readonly attempt: number;
  /** What the cluster called it, where it was submitted before. */
  readonly reference: string | undefined;
  /** Whether it may have been submitted before without an answer. */
  readonly unsure: boolean;
  readonly log: RemoteLog;
  /** Size of the smallest attempt that ran out of memory: one that says as much is ended. */
  readonly failedSize: number | undefined;
  /** The job's folder as this process sees it. */
  readonly directory: string;
  readonly clock: Clock;
  readonly pollMs: number;
  readonly retryDelayMs: number;
  /** Aborts when the launcher closes: following ends, the attempt goes on. */
  readonly leaving: AbortSignal;
  readonly onSubmitted: (reference: string) => Promise<void>;
  readonly onRunning: () => Promise<void>;
  readonly onNote: (event: JobEvent) => void;
}

const slowestPollMs = 60_000;
/** How long a job waits before its log says why. */
const quietWaitMs = 10_000;

/** One attempt in a cluster, from before it is submitted until it is over. */
export class RemoteAttempt {
  readonly #options: RemoteAttemptOptions;
  #reference: string | undefined;
  #halted: string | undefined;
  #haltedMs = 0;
  #askedMs: number | undefined;
  #intervention: Intervention | undefined;
  #wake = (): void => {};
  #hurried = false;
  #sending: Promise<void> = Promise.resolve();
  #unreachable = false;
  /** Whether a submission may have come through without an answer. */
  #unsure: boolean;
  /** When the module was last heard of, and how much had been read of it then. */
  #livedMs: number | undefined;
  #lives = -1;
  #waitedFromMs: number | undefined;
  #why: string | undefined;

  constructor(options: RemoteAttemptOptions) {
    this.#options = options;
    this.#reference = options.reference;
    this.#unsure = options.unsure;
  }

  /** Undefined where it was halted before it was submitted. */
  async follow(): Promise<RemoteVerdict | undefined> {
    for (let pauseMs = Math.min(200, this.#options.pollMs); ;) {
      let tookMs = 0;
      try {
        if (this.#reference === undefined && !(await this.#submit())) return undefined;
        const beganMs = this.#options.clock.monotonicMs();
        const status = await this.#look();
        if (status !== undefined) return judgeRemote(status, this.#options.log.heard, this.#intervention);
        tookMs = this.#options.clock.monotonicMs() - beganMs;
        pauseMs = Math.min(this.#options.pollMs, pauseMs * 1.5);
      } catch (error) {
        this.#options.leaving.throwIfAborted();
        if (hasCode(error, "JOBS_CLUSTER_REFUSED") && this.#reference === undefined) return refused(error);
        if (!(hasCode(error, "JOBS_CLUSTER_UNREACHABLE") || hasCode(error, "JOBS_CLUSTER_REFUSED"))) throw error;
        this.#tell(error.message);
        if (this.#halted !== undefined && this.#reference === undefined && !this.#unsure) return undefined;
        pauseMs = Math.min(30_000, Math.max(this.#options.retryDelayMs, pauseMs * 2));
      }
      await this.#pause(Math.min(slowestPollMs, Math.max(pauseMs, 4 * tookMs)));
    }
  }

  send(body: JsonValue): void {
    this.#post({ type: "message", body });
  }

  halt(reason: string): void {
    if (this.#halted !== undefined) return;
    this.#halted = reason;
    this.#haltedMs = this.#options.clock.monotonicMs();
    const { plan } = this.#options;
    if (this.#listens) this.#post({ type: "stop", reason, graceMs: plan.graceSeconds * 1_000 });
    // Where the cluster can end only what has begun, our script sees that it need not begin.
    if (plan.folder !== undefined) this.#write(cancelName(this.#options.attempt), reason);
    this.#hurried = true;
    this.#wake();
  }

  get #listens(): boolean {
    const { plan } = this.#options;
    return plan.folder !== undefined && "module" in plan.spec.run;
  }

  get #name(): AttemptName {
    const { name, folder } = this.#options.plan;
    return { name, folder, reference: this.#reference };
  }

  #post(frame: SupervisorFrame): void {
    this.#write(inboxName(this.#options.attempt), encodeFrame(frame));
  }

  #write(file: string, text: string): void {
    const { directory, clock, onNote } = this.#options;
    this.#sending = this.#sending
      .then(() => appendFile(join(directory, file), text, { mode: 0o600 }))
      .catch((error: unknown) =>
        onNote(note(`a message to the module could not be written: ${String(error)}`, clock.nowMs())),
      );
  }

  async #submit(): Promise<boolean> {
    const { cluster, plan, leaving, onSubmitted } = this.#options;
    if (this.#halted !== undefined) {
      const there = this.#unsure && (await cluster.look(this.#name, { signal: leaving })).kind !== "unknown";
      if (there) this.#reference = plan.name;
      return there;
    }
    this.#unsure = true;
    const reference = await cluster.submit(plan, { signal: leaving });
    await onSubmitted(reference);
    this.#reference = reference;
    return true;
  }

  /** One look; the status where the attempt is over and all of its output was read. */
  async #look(): Promise<ClusterStatus | undefined> {
    const { cluster, leaving, log, onRunning } = this.#options;
    const status = await cluster.look(this.#name, { signal: leaving });
    this.#told();
    if (status.kind === "waiting") this.#tellWhy(status.why);
    const ended = status.kind === "ended" || status.kind === "unknown";
    if (status.kind !== "waiting") {
      // Of what was stopped before it was seen to run, only its output tells that it ran.
      const doubtful = ended && this.#halted !== undefined;
      if (!doubtful) await onRunning();
      try {
        await log.read(this.#name, ended, { signal: leaving });
      } catch (error) {
        // The output of a machine that is gone is gone with it; how the attempt ended is known all the same.
        if (!ended || !hasCode(error, "JOBS_CLUSTER_REFUSED")) throw error;
      }
      if (doubtful && log.lives > 0) await onRunning();
    }
    if (ended) return status;
    if (status.kind === "running") this.#watch();
    await this.#endIfAsked(status.kind === "running");
    if (status.kind === "running" || cluster.stopsWaiting || this.#askedMs === undefined) return undefined;
    return { kind: "ended", cause: { kind: "stopped", reason: this.#halted ?? "" } };
  }

  async #endIfAsked(running: boolean): Promise<void> {
    const { cluster, clock, leaving, plan } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#halted === undefined && this.#intervention === undefined) return;
    const graceMs = plan.graceSeconds * 1_000;
    // A module that hears us is asked first; what does not end is asked again.
    const patient =
      running && this.#intervention === undefined && this.#listens && nowMs - this.#haltedMs < graceMs / 2;
    if (patient || (this.#askedMs !== undefined && nowMs - this.#askedMs < graceMs + 5_000)) return;
    await cluster.stop(this.#name, this.#intervention === undefined ? plan.graceSeconds : 0, { signal: leaving });
    this.#askedMs = nowMs;
  }

  /** Looks after a module that hangs, or holds more memory than it may: where its output could be read and says nothing new, it is silent. */
  #watch(): void {
    const { log, clock, plan, pollMs } = this.#options;
    if (!("module" in plan.spec.run) || this.#intervention !== undefined) return;
    const { heartbeatTimeoutMs = 60_000, memoryBytes = Infinity } = plan.spec.limits ?? {};
    const nowMs = clock.monotonicMs();
    if (log.lives !== this.#lives || this.#livedMs === undefined) this.#livedMs = nowMs;
    this.#lives = log.lives;
    const { result, failure, interruption, size } = log.heard;
    const silentMs = nowMs - this.#livedMs;
    const { failedSize } = this.#options;
    if (silentMs > heartbeatTimeoutMs + 2 * pollMs && (result ?? failure ?? interruption) === undefined)
      this.#intervention = { kind: "hung", silentMs };
    else if (log.rssBytes > memoryBytes)
      this.#intervention = { kind: "memory", bytes: log.rssBytes, limitBytes: memoryBytes };
    else if (failedSize !== undefined && size !== undefined && size >= failedSize)
      this.#intervention = { kind: "same-size", size, failedSize };
  }

  async #pause(durationMs: number): Promise<void> {
    const { clock, leaving } = this.#options;
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    this.#wake = wake;
    // Hurried once by a halt, which may have come during a look: from there on the next look comes in its time.
    if (this.#hurried) wake();
    leaving.addEventListener("abort", wake, { once: true });
    await clock.sleep(durationMs, { signal: woken.signal }).catch(() => {});
    leaving.removeEventListener("abort", wake);
    this.#hurried = false;
    leaving.throwIfAborted();
  }

  /** Says why the cluster lets it wait, once that has gone on for a while. */
  #tellWhy(why: string | undefined): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#waitedFromMs ??= nowMs;
    if (why === undefined || why === this.#why || nowMs - this.#waitedFromMs < quietWaitMs) return;
    this.#why = why;
    this.#options.onNote(note(`the job waits: ${why}`, this.#options.clock.nowMs()));
  }

  #tell(problem: string): void {
    if (this.#unreachable) return;
    this.#unreachable = true;
    this.#options.onNote(note(`${problem} Looking again until it does`, this.#options.clock.nowMs()));
  }

  #told(): void {
    if (!this.#unreachable) return;
    this.#unreachable = false;
    this.#options.onNote(note(`${this.#options.cluster.name} answers again`, this.#options.clock.nowMs()));
  }
}

const note = (text: string, timeMs: number): JobEvent => ({
  kind: "log",
  stream: "stderr",
  line: `[millwright: ${text}]`,
  timeMs,
});

const refused = ({ category, message: reason }: MillwrightError): RemoteVerdict => ({
  good: false,
  category,
  cause: "not-started",
  reason,
  retryable: false,
  size: undefined,
  exitCode: undefined,
  exitSignal: undefined,
});
