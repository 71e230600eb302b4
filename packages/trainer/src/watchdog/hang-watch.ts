import { Worker } from "node:worker_threads";
import type { Phase } from "../profiler/step-profiler.ts";
import type { HangNews, HangThreadData } from "./hang-thread.ts";
import { Pulse } from "./pulse.ts";

const turnMs = 250;
const threadModule = new URL(
  import.meta.url.endsWith(".ts") ? "../../dist/watchdog/hang-thread.js" : "./hang-thread.js",
  import.meta.url,
);

export interface HangWatchOptions extends Omit<HangThreadData, "shared" | "pollMs"> {
  readonly onNews: (news: HangNews) => void;
}

/** Watches this thread from another. */
export class HangWatch implements AsyncDisposable {
  readonly pulse: Pulse = new Pulse();
  readonly #thread: Worker;
  readonly #timer: NodeJS.Timeout;

  constructor({ onNews, ...data }: HangWatchOptions) {
    const { afterMs, blockedMs, stragglerMinMs } = data.limits;
    const pollMs = Math.min(1_000, Math.max(10, Math.min(afterMs, blockedMs, stragglerMinMs) / 10));
    const workerData: HangThreadData = { ...data, shared: this.pulse.shared, pollMs };
    // Flags of this process, such as those of a loader, are not the thread's.
    this.#thread = new Worker(threadModule, { workerData, execArgv: [], env: {} });
    this.#thread.unref();
    this.#thread.on("message", onNews);
    this.#thread.on("error", () => {}); // the training goes on unwatched
    this.#timer = setInterval(() => this.pulse.turn(), Math.min(turnMs, Math.max(10, blockedMs / 10)));
    this.#timer.unref();
  }

  /** For the bundle: what the run has told. */
  note(event: object): void {
    this.#thread.postMessage(event);
  }

  beat(phase: Phase): void {
    this.pulse.beat(phase);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#thread.terminate();
  }
}
