import type { JsonValue } from "@millwright/contracts";
import { interrupted } from "./errors.ts";
import type { SupervisorFrame } from "./protocol.ts";
import type { WorkerLink } from "./worker-link.ts";

export type StartFrame = Extract<SupervisorFrame, { type: "start" }>;

/** What a job's process hears of its supervisor. */
export interface Listening {
  /** Of the job that is to begin. */
  readonly started: Promise<StartFrame>;
  readonly signal: AbortSignal;
  onMessage(listener: (body: JsonValue) => void): void;
  interrupt(reason: string): void;
  /** Listens for the next job, as if there had been none. */
  renew(): void;
  /** Whether the process waits for its next job. */
  readonly waits: boolean;
  /** Why the process was told to leave; empty while it was not. */
  readonly notice: string;
  graceMs: number;
  /** Whether the last frame was sent. */
  over: boolean;
}

/** What belongs to one job. */
class Hearing {
  readonly controller = new AbortController();
  readonly listeners: ((body: JsonValue) => void)[] = [];
  readonly waiting: JsonValue[] = [];
  readonly started: Promise<StartFrame>;
  begin: (frame: StartFrame) => void = () => {};
  begun = false;
  notice = "";

  constructor() {
    this.started = new Promise((resolve) => (this.begin = resolve));
  }
}

class LinkListening implements Listening {
  #now = new Hearing();
  #alone = false;
  #renewed = false;
  graceMs = 10_000;
  over = false;

  constructor(link: WorkerLink) {
    link.listen({ frame: (frame) => this.#take(frame), gone: () => this.#orphaned() });
  }

  get started(): Promise<StartFrame> {
    return this.#now.started;
  }

  get signal(): AbortSignal {
    return this.#now.controller.signal;
  }

  get notice(): string {
    return this.#now.notice;
  }

  get waits(): boolean {
    return this.#renewed && !this.#now.begun;
  }

  renew(): void {
    this.#renewed = true;
    this.#now = new Hearing();
  }

  onMessage(listener: (body: JsonValue) => void): void {
    this.#now.listeners.push(listener);
    for (const body of this.#now.waiting.splice(0)) listener(body);
  }

  interrupt(reason: string): void {
    if (this.waits) vanish();
    if (this.signal.aborted) return;
    this.#now.notice = reason;
    this.#now.controller.abort(interrupted(reason));
  }

  #take(frame: SupervisorFrame): void {
    const { controller, listeners, waiting, begin } = this.#now;
    if (frame.type === "start") {
      this.#now.begun = true;
      begin(frame);
    } else if (frame.type === "stop" && frame.interruption === true) this.interrupt(frame.reason);
    else if (frame.type === "stop") controller.abort(new DOMException(frame.reason, "AbortError"));
    else if (listeners.length === 0) waiting.push(frame.body);
    else for (const listener of listeners) listener(frame.body);
  }

  /** A supervisor that is gone cannot stop this process any more: it stops itself, and is killed by its own hand when it does not. */
  #orphaned(): void {
    if (this.over || this.#alone) return;
    this.#alone = true;
    this.interrupt("The supervisor of this job is gone.");
    setTimeout(() => process.kill(process.pid, "SIGKILL"), this.graceMs).unref();
  }
}

/** Between two jobs there is nothing to save. */
function vanish(): void {
  // oxlint-disable-next-line no-process-exit -- this process was kept for a job that will not come
  process.exit(0);
}

export const listen = (link: WorkerLink): Listening => new LinkListening(link);

/** Takes signals to this process as notices; a SIGTERM after a stop does what it does everywhere. */
export function heedSignals(names: readonly string[], listening: Listening, tell: (reason: string) => void): void {
  for (const name of names as readonly NodeJS.Signals[]) {
    const heed = (): void => {
      if (!listening.signal.aborted) {
        const reason = `The process was sent ${name}.`;
        listening.interrupt(reason);
        tell(reason);
      } else if (listening.notice === "") {
        process.removeListener(name, heed);
        process.kill(process.pid, name);
      }
    };
    process.on(name, heed);
  }
}
