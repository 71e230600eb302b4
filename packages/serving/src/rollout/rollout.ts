import {
  type AlertSource,
  type CallOptions,
  type Clock,
  type DeploymentStatus,
  type EventId,
  type IdSource,
  type Lease,
  type LeaseStore,
  type Logger,
  deploymentRunning,
} from "@millwright/contracts";
import type { EvidenceStore } from "../canary/evidence-store.ts";
import { type ServingDeploymentPlan, checkVerdict } from "../canary/verdict-plan.ts";
import { type BakeHost, type RollbackCause, bake } from "./bake.ts";
import { type TrafficStep, trafficSteps } from "./deployment-plan.ts";
import {
  type DeploymentRecord,
  type DeploymentStore,
  type KeptRecord,
  eventOf,
  isRunning,
  isUnguarded,
  statusOf,
} from "./deployment-record.ts";
import { CanaryWatch } from "./canary-watch.ts";
import { type DeploymentGate, assertOpen } from "./gates.ts";
import { alertsAbsent, deploymentInvalid } from "../errors.ts";
import { acquireLease, keepLease } from "./lease-keeping.ts";
import type { ModelCauses } from "../engine/model-causes.ts";
import type { RolloutTraffic } from "./rollout-traffic.ts";

export interface RolloutOptions {
  readonly traffic: RolloutTraffic;
  readonly store: DeploymentStore;
  /** Whoever holds the lease of the endpoint decides; absent where this process is alone. */
  readonly leases: LeaseStore | undefined;
  readonly alerts: AlertSource | undefined;
  readonly evidence: EvidenceStore;
  readonly gates: Readonly<Record<string, DeploymentGate>>;
  readonly causes: ModelCauses;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly leaseTtlMs: number;
  /** How often the store is looked at for what other processes decided; `undefined` where there are none. */
  readonly pollMs: number | undefined;
}

/** Brings new models to one endpoint, and goes on with what a process before this one began. */
export class Rollout {
  readonly #options: RolloutOptions;
  /** Counts what a verdict rests on. */
  readonly canary: CanaryWatch;
  #known: KeptRecord | undefined;
  #drive: { readonly stop: AbortController; readonly done: Promise<void> } | undefined;
  readonly #closing = new AbortController();
  #polling: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: RolloutOptions) {
    this.#options = options;
    this.canary = new CanaryWatch({ ...options, store: options.evidence, process: options.ids.next() });
  }

  get #kept(): KeptRecord | undefined {
    return this.#known;
  }

  set #kept(kept: KeptRecord | undefined) {
    this.#known = kept;
    this.canary.follow(kept?.record);
  }

  get #name(): string {
    return this.#options.traffic.endpoint;
  }

  /** Takes up what the store knows, then follows it. */
  async start(kept: KeptRecord | undefined): Promise<void> {
    this.#kept = kept;
    await this.#takeUp();
    const { pollMs, clock, logger } = this.#options;
    if (pollMs === undefined) return;
    const { signal } = this.#closing;
    this.#polling = (async () => {
      while (!signal.aborted) {
        await clock.sleep(pollMs, { signal }).catch(() => {});
        if (signal.aborted) return;
        await this.#alone(() => this.#look()).catch((error: unknown) =>
          logger.warn({ endpoint: this.#name, error }, "deployments cannot be read"),
        );
      }
    })();
  }

  async deploy(plan: ServingDeploymentPlan, { signal }: CallOptions = {}): Promise<DeploymentStatus> {
    signal?.throwIfAborted();
    const { traffic, alerts, gates, logger } = this.#options;
    const steps = trafficSteps(this.#name, plan);
    checkVerdict(this.#name, plan);
    traffic.assertSingle();
    const { rollbackOn = [] } = plan;
    if (rollbackOn.length > 0 && alerts === undefined) throw alertsAbsent(this.#name, rollbackOn);
    await assertOpen({ endpoint: this.#name, plan }, gates, { signal });
    if (isUnguarded(plan))
      logger.warn(
        { endpoint: this.#name, model: plan.model },
        "the deployment is unguarded: nothing rolls it back by itself",
      );
    return this.#alone(async () => {
      await this.#reload();
      if (this.#kept !== undefined && isRunning(this.#kept.record))
        throw deploymentRunning(this.#name, this.#kept.record.deploymentId);
      const lease = await acquireLease(this.#name, this.#options, { signal });
      let written: boolean;
      try {
        await this.#begin(plan, signal);
        written = await this.#enter(steps);
      } catch (error) {
        await lease?.release();
        throw error;
      }
      if (written && steps.length > 0) this.#startDrive(lease);
      else await lease?.release();
      return statusOf(this.#record());
    });
  }

  async rollback(reason: string, { signal }: CallOptions = {}): Promise<DeploymentStatus> {
    signal?.throwIfAborted();
    return this.#alone(async () => {
      await this.#reload();
      if (this.#kept === undefined)
        throw deploymentInvalid(this.#name, "nothing was ever deployed to it", "Deploy a model first.");
      if (isRunning(this.#kept.record) || this.#kept.record.state === "completed") {
        this.#drive?.stop.abort();
        await this.#rollBack({ reason });
      }
      return statusOf(this.#record());
    });
  }

  async status({ signal }: CallOptions = {}): Promise<DeploymentStatus | undefined> {
    signal?.throwIfAborted();
    const kept = await this.#options.store.read(this.#name, { signal });
    return kept === undefined ? undefined : statusOf(kept.record);
  }

  /** Stops deciding; what is in the middle is taken up by whoever opens the store next. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#drive?.stop.abort();
    await this.#polling;
    await this.#drive?.done;
    await this.canary.close();
    await this.#turn.catch(() => {});
  }

  #record(): DeploymentRecord {
    if (this.#kept === undefined) throw new TypeError("There is no deployment.");
    return this.#kept.record;
  }

  /** One decision at a time. */
  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work, work);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Writes that the deployment began, and loads its model; where that fails, that it failed. */
  async #begin(plan: ServingDeploymentPlan, signal: AbortSignal | undefined): Promise<void> {
    const { traffic, ids, clock, store, causes } = this.#options;
    const { variant, model, configured } = traffic.base;
    // An alias is not what began: the event names what it means now. What cannot be found fails below, with its reason.
    const digest = await traffic.digestOf(plan.model, signal).catch(() => undefined);
    const nowMs = clock.nowMs();
    const record: DeploymentRecord = {
      formatVersion: 1,
      endpoint: this.#name,
      deploymentId: ids.next(),
      plan,
      state: "deploying",
      share: 0,
      variant,
      before: model,
      configured,
      digest,
      startedMs: nowMs,
      sinceMs: nowMs,
    };
    const cause = await causes.find(digest, { signal });
    const begun = await store.write(this.#kept?.revision ?? 0, record, eventOf(record, "started", cause));
    if (begun === undefined) throw deploymentRunning(this.#name, "of another process");
    this.#kept = begun;
    try {
      await traffic.openCandidate(plan.model, digest, signal);
    } catch (error) {
      await this.#write({ state: "failed", share: 0, reason: error instanceof Error ? error.message : String(error) });
      throw error;
    }
  }

  /** Gives a loaded candidate its first share, or everything. @returns false where another process has decided meanwhile. */
  async #enter(steps: readonly TrafficStep[]): Promise<boolean> {
    const { traffic } = this.#options;
    const [first] = steps;
    const digest = traffic.candidateDigest;
    const written = await this.#write(
      first === undefined ? { state: "completed", share: 1, digest } : { state: "baking", share: first.share, digest },
    );
    await traffic.apply(this.#record());
    return written;
  }

  /**
   * @param cause Default: the event of the state before.
   * @returns false where another process has decided meanwhile; its decision is taken up.
   */
  async #write(change: Partial<DeploymentRecord>, cause?: EventId): Promise<boolean> {
    const { store, clock } = this.#options;
    const { state } = change;
    const record: DeploymentRecord = { ...this.#record(), ...change, sinceMs: clock.nowMs() };
    const type = state === "completed" || state === "rolled-back" || state === "failed" ? state : "baking";
    const written = await store.write(this.#kept?.revision ?? 0, record, eventOf(record, type, cause));
    if (written === undefined) {
      await this.#reload();
      return false;
    }
    this.#kept = written;
    return true;
  }

  async #reload(): Promise<void> {
    const { store, traffic } = this.#options;
    const kept = await store.read(this.#name);
    if (kept === undefined || kept.revision === this.#kept?.revision) return;
    this.#kept = kept;
    // Where somebody else decided, this process has no say until it takes the lease.
    this.#drive?.stop.abort();
    await traffic.apply(kept.record);
  }

  async #look(): Promise<void> {
    await this.#reload();
    await this.#takeUp();
  }

  /** Applies a deployment that another process began, and goes on with it if nobody else does. */
  async #takeUp(): Promise<void> {
    const { leases, leaseTtlMs, traffic, logger } = this.#options;
    if (this.#kept === undefined || !isRunning(this.#kept.record) || this.#drive !== undefined) return;
    const problem = await traffic.apply(this.#kept.record).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const lease = await leases?.acquire(`serving/${this.#name}`, leaseTtlMs);
    if (leases !== undefined && lease === undefined) return;
    logger.info({ endpoint: this.#name, deploymentId: this.#record().deploymentId }, "a deployment is taken up again");
    if (problem === undefined && traffic.isConfigured(this.#record())) {
      this.#startDrive(lease);
      return;
    }
    const reason =
      problem === undefined
        ? "the configuration of the endpoint has changed"
        : `the candidate cannot be taken up: ${problem.error instanceof Error ? problem.error.message : "it failed"}`;
    await this.#rollBack({ reason });
    await lease?.release();
  }

  /** Traffic first: it is off the candidate before anything is written. */
  async #rollBack({ reason, evidence, eventId }: RollbackCause): Promise<void> {
    const { traffic } = this.#options;
    traffic.withdraw();
    await this.#write({ state: "rolled-back", share: 0, reason, evidence }, eventId);
    await traffic.apply(this.#record());
  }

  #startDrive(lease: Lease | undefined): void {
    const stop = new AbortController();
    const done = this.#run(stop, lease).finally(() => {
      if (this.#drive?.stop === stop) this.#drive = undefined;
    });
    this.#drive = { stop, done };
  }

  async #run(stop: AbortController, lease: Lease | undefined): Promise<void> {
    const { clock, leaseTtlMs, logger } = this.#options;
    const renewing = keepLease(lease, { stop, clock, leaseTtlMs, logger, endpoint: this.#name });
    try {
      await bake(this.#host(), stop.signal);
    } finally {
      stop.abort();
      await renewing;
      await lease?.release().catch(() => {});
    }
  }

  #host(): BakeHost {
    const { traffic, alerts, clock, logger } = this.#options;
    return {
      endpoint: this.#name,
      alerts,
      clock,
      logger,
      record: () => this.#record(),
      enter: async (steps) => void (await this.#enter(steps)),
      guard: this.canary,
      advance: async (next, evidence) => {
        await this.#write({
          ...(next === undefined ? { state: "completed", share: 1 } : { state: "baking", share: next.share }),
          ...(evidence === undefined ? {} : { evidence }),
        });
        await traffic.apply(this.#record());
      },
      rollBack: (cause) => this.#rollBack(cause),
      decide: (signal, work) => this.#decide(signal, work),
    };
  }

  /** Tries until it is written down; on a roll-back the traffic is safe meanwhile. */
  async #decide(signal: AbortSignal, work: () => Promise<void>): Promise<boolean> {
    const { clock, logger } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#alone(async () => {
          if (!signal.aborted) await work();
        });
        return !signal.aborted;
      } catch (error) {
        logger.error(
          { endpoint: this.#name, error },
          "a decision on a deployment could not be carried out; trying again",
        );
        await clock.sleep(1000, { signal }).catch(() => {});
      }
    }
    return false;
  }
}
