import type { CapturedLabel, Clock, Logger } from "@millwright/contracts";
import type { EvidenceKey, EvidenceNote, EvidenceStore } from "../canary/evidence-store.ts";
import { type Verdict, judgeCanary } from "../canary/judge.ts";
import { CanaryRecorder, type RequestOutcome } from "../canary/recorder.ts";
import type { VerdictPlan } from "../canary/verdict-plan.ts";
import { type DeploymentRecord, isRunning } from "./deployment-record.ts";
import type { RolloutTraffic } from "./rollout-traffic.ts";

export interface CanaryWatchOptions {
  readonly traffic: RolloutTraffic;
  readonly store: EvidenceStore;
  /** This process among those that share the store. */
  readonly process: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often counts are saved and judged, milliseconds. */
const tickMs = 1000;

/** Most labels and outcomes that wait to be shared; those that come later are dropped. */
const mostUnshared = 50_000;

interface Counting {
  readonly deploymentId: string;
  readonly plan: VerdictPlan;
  readonly recorder: CanaryRecorder;
  /** Labels and outcomes that are not of an answer of this process. */
  unshared: EvidenceNote[];
  /** How far those of the others were read. */
  readAt: number;
  readonly stop: AbortController;
}

/** Counts the traffic of both variants while a deployment with a verdict is under way, in each process, and judges it where asked. */
export class CanaryWatch {
  readonly #options: CanaryWatchOptions;
  #counting: Counting | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: CanaryWatchOptions) {
    this.#options = options;
  }

  /** Begins or ends the counting, as the deployment stands. */
  follow(record: DeploymentRecord | undefined): void {
    const { traffic } = this.#options;
    const plan =
      record !== undefined && isRunning(record) && traffic.isConfigured(record) ? record.plan.verdict : undefined;
    if (this.#counting?.deploymentId === record?.deploymentId && plan !== undefined) return;
    this.#end();
    if (record === undefined || plan === undefined) return;
    const recorder = new CanaryRecorder(plan, (call) => traffic.askBaseline(call));
    const counting = {
      deploymentId: record.deploymentId,
      plan,
      recorder,
      unshared: [],
      readAt: 0,
      stop: new AbortController(),
    };
    this.#counting = counting;
    traffic.observe((seen) => recorder.observe(seen));
    void this.#keepSaving(counting);
  }

  label(label: CapturedLabel): void {
    if (this.#counting?.recorder.label(label) === false) this.#toShare({ label });
  }

  outcome(outcome: RequestOutcome): void {
    if (this.#counting?.recorder.outcome(outcome) === false) this.#toShare({ outcome });
  }

  #toShare(note: EvidenceNote): void {
    const counting = this.#counting;
    if (counting !== undefined && counting.unshared.length < mostUnshared) counting.unshared.push(note);
  }

  /** The verdict on what all processes have counted until now. */
  async verdict(): Promise<Verdict | undefined> {
    const { store, traffic } = this.#options;
    const counting = this.#counting;
    if (counting === undefined) return undefined;
    await this.#save(counting);
    return judgeCanary(await store.load(traffic.endpoint, counting.deploymentId), counting.plan);
  }

  /** Resolves with a verdict that failed; with `undefined` when the signal aborts. */
  async failure(signal: AbortSignal): Promise<Verdict | undefined> {
    const { clock, logger, traffic } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(tickMs, { signal }).catch(() => {});
      if (signal.aborted) break;
      try {
        const verdict = await this.verdict();
        if (verdict?.verdict === "fail") return verdict;
      } catch (error) {
        logger.warn({ endpoint: traffic.endpoint, error }, "a canary could not be judged; trying again");
      }
    }
    return undefined;
  }

  async close(): Promise<void> {
    const counting = this.#counting;
    this.#end();
    if (counting !== undefined) await this.#save(counting).catch(() => {});
    await this.#saving.catch(() => {});
  }

  #end(): void {
    this.#counting?.stop.abort();
    if (this.#counting !== undefined) this.#options.traffic.observe(undefined);
    this.#counting = undefined;
  }

  async #keepSaving(counting: Counting): Promise<void> {
    const { clock, logger, traffic } = this.#options;
    const { signal } = counting.stop;
    while (!signal.aborted) {
      await clock.sleep(tickMs, { signal }).catch(() => {});
      if (signal.aborted) return;
      await this.#save(counting).catch((error: unknown) =>
        logger.warn({ endpoint: traffic.endpoint, error }, "what was counted of a canary could not be saved"),
      );
    }
  }

  /** One after the other, so that older counts never replace newer ones. */
  #save(counting: Counting): Promise<void> {
    const { store, traffic, process } = this.#options;
    const { deploymentId, recorder } = counting;
    const key = { endpoint: traffic.endpoint, deploymentId, process };
    const save = async (): Promise<void> => {
      await this.#exchange(counting, key);
      await store.save(key, recorder.evidence());
    };
    this.#saving = this.#saving.then(save, save);
    return this.#saving;
  }

  /** Labels and outcomes come to any process; the one that gave the answer counts them. */
  async #exchange(counting: Counting, key: EvidenceKey): Promise<void> {
    const { plan, recorder } = counting;
    if (plan.calibration === undefined && plan.kpi === undefined) return;
    const { store } = this.#options;
    const notes = counting.unshared;
    if (notes.length > 0) {
      counting.unshared = [];
      try {
        await store.share(key, notes);
      } catch (error) {
        counting.unshared = [...notes, ...counting.unshared];
        throw error;
      }
    }
    for (;;) {
      const { notes: others, at } = await store.shared(key, counting.readAt);
      for (const note of others) recorder.note(note);
      if (at === counting.readAt) return;
      counting.readAt = at;
    }
  }
}
