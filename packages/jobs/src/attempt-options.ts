import type { Clock, JsonValue, MetricDefinition } from "@millwright/contracts";
import type { Mask } from "./environment.ts";
import type { EventJournal } from "./event-journal.ts";
import type { Ending } from "./outcome.ts";
import type { ProcessIdentity } from "./process-tree.ts";
import type { WarmProcess } from "./supervision/warm-pool.ts";
import type { SupervisorFrame, WorkerPhase } from "./protocol.ts";

export interface AttemptOptions {
  readonly command: readonly [string, ...string[]];
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What the module is told after its hello; absent for a command, which has no channel. */
  readonly start: Extract<SupervisorFrame, { type: "start" }> | undefined;
  readonly mark: string;
  /** A process that waits for such a job, with the mark above. */
  readonly warm?: WarmProcess | undefined;
  /** Takes the process after a result; false where it must end. */
  readonly keep?: ((process: WarmProcess) => boolean) | undefined;
  readonly graceMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly memoryBytes: number | undefined;
  readonly memoryPollMs: number;
  /** Size of the smallest attempt that ran out of memory: one that says as much is ended. */
  readonly failedSize: number | undefined;
  readonly clock: Clock;
  readonly journal: EventJournal;
  readonly mask: Mask;
  /** What is read off the lines. */
  readonly metrics: readonly MetricDefinition[];
  /** Aborts when the job must end at once: its reason is the intervention. */
  readonly endAtOnce: AbortSignal;
  /** Called when the module is ready, with `training`, and for each phase it names. */
  readonly onPhase: (phase: WorkerPhase) => void;
}

/** One process under supervision, from its start until nothing of its tree is left. */
export interface Attempt {
  /** Undefined where it could not be started. */
  readonly identity: ProcessIdentity | undefined;
  send(body: JsonValue): void;
  /** A stop frame (or, for a command, SIGTERM), SIGTERM after half the grace time, SIGKILL after all of it. */
  stop(reason: string): void;
  /** The same for an attempt that is to go on later: all of the time is for saving, without a SIGTERM to a module. */
  interrupt(reason: string, graceMs?: number): void;
  readonly ending: Promise<Ending>;
}
