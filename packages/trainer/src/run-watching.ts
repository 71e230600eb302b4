import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";
import type { JsonValue } from "@millwright/contracts";
import { writeFailure } from "./errors.ts";
import type { LoopWatch } from "./loop-options.ts";
import { send } from "./run-senders.ts";
import type { Session } from "./run-session.ts";
import { diagnosticsIn } from "./watchdog/bundles.ts";
import { HangWatch } from "./watchdog/hang-watch.ts";
import { type LeakFinding, LeakWatch } from "./watchdog/leak-watch.ts";

const medianOver = 100;
const medianEvery = 10;

/** Of the newest steps; 0 as long as there are few. */
class StepMedian {
  readonly #newest: number[] = [];
  #median = 0;

  push(stepMs: number, step: number): number {
    this.#newest.push(stepMs);
    if (this.#newest.length > medianOver) this.#newest.shift();
    if (this.#newest.length >= 2 * medianEvery && step % medianEvery === 0)
      this.#median = this.#newest.toSorted((a, b) => a - b)[this.#newest.length >> 1] ?? 0;
    return this.#median;
  }
}

export interface RunWatch extends AsyncDisposable {
  readonly watch: LoopWatch;
  /** The session, whose news are kept for a bundle of diagnostics. */
  readonly session: Session;
  /** Does something that waits for others: that is no standstill. */
  waiting<Value>(work: () => Promise<Value>): Promise<Value>;
}

/** Watches a run's loop for leaks and standstills. */
export function startWatching(session: Session): RunWatch {
  const { request, tfjs, context } = session;
  const { leaks = null, hangs = null } = request.watching ?? {};
  const leakWatch = leaks === null ? undefined : new LeakWatch(leaks);
  const hangWatch =
    hangs === null
      ? undefined
      : new HangWatch({
          ...hangs,
          runId: request.runId,
          callbacks: session.callbacks.map(({ name }) => name),
          directory: diagnosticsIn(request.directory),
          jobDirectory: dirname(context.directory),
          attempt: context.attempt,
          gpu: tfjs.device === "gpu",
          onNews: (news) => send(context, { kind: "stalled", policy: hangs.policy, ...news }),
        });
  const median = new StepMedian();
  const sendNoted = (body: JsonValue): void => {
    context.send(body);
    if ((body as { readonly kind?: string }).kind !== "progress") hangWatch?.note(body as object);
  };
  return {
    session: { ...session, context: { ...context, send: sendNoted } },
    async waiting(work) {
      hangWatch?.pulse.wait(true);
      try {
        return await work();
      } finally {
        hangWatch?.pulse.wait(false);
      }
    },
    watch: {
      beat: (phase) => hangWatch?.beat(phase),
      during: (index, hook) => hangWatch?.pulse.during(index, hook),
      step(step, stepMs) {
        if (leakWatch === undefined && hangWatch === undefined) return undefined;
        const tensors = tfjs.tf.memory().numTensors;
        hangWatch?.pulse.step(step, tensors, median.push(stepMs, step));
        return leakWatch?.update(step, { tensors, rssBytes: process.memoryUsage.rss() });
      },
      async leak(finding) {
        // Without a retry left, ending the process would end the run.
        const recycles =
          leaks?.action === "recycle" && context.attempt <= leaks.retries && request.checkpoints !== null;
        const bundle = leaks?.action === "snapshot" ? await saveLeak(session, finding) : undefined;
        const action = recycles ? "recycle" : bundle === undefined ? "warn" : "snapshot";
        send(context, { kind: "leak", ...finding, action, ...(bundle === undefined ? {} : { bundle }) });
        return recycles;
      },
    },
    [Symbol.asyncDispose]: async () => hangWatch?.[Symbol.asyncDispose](),
  };
}

/** Writes what the process holds. @returns the folder. Throws `TRAINER_WRITE_FAILED`. */
async function saveLeak({ request, tfjs, context }: Session, finding: LeakFinding): Promise<string> {
  const name = `attempt-${context.attempt}-leak-${finding.measure}-step-${finding.step}`;
  const folder = join(diagnosticsIn(request.directory), name);
  const report = {
    formatVersion: 1,
    ...finding,
    memory: process.memoryUsage(),
    tensors: tfjs.tf.memory(),
    heap: getHeapStatistics(),
    heapSpaces: getHeapSpaceStatistics(),
    resources: process.getActiveResourcesInfo(),
  };
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "report.json"), JSON.stringify(report, undefined, 2));
  } catch (error) {
    throw writeFailure(folder, error);
  }
  return folder;
}
