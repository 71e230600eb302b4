import type {
  AlertSource,
  CallOptions,
  CapturedLabel,
  Clock,
  EventLog,
  IdSource,
  LeaseStore,
  Logger,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { type EvidenceStore, memoryEvidenceStore, openDatabaseEvidenceStore } from "../canary/evidence-store.ts";
import type { RequestOutcome } from "../canary/recorder.ts";
import type { Endpoint, VariantOptions } from "../engine/endpoint.ts";
import { type ModelCauses, createModelCauses } from "../engine/model-causes.ts";
import {
  type DeploymentStore,
  type KeptRecord,
  isRunning,
  memoryDeploymentStore,
  openDatabaseDeploymentStore,
} from "./deployment-record.ts";
import { tellCreated, tellRemoved } from "./endpoint-events.ts";
import type { DeploymentGate } from "./gates.ts";
import { Rollout } from "./rollout.ts";
import { RolloutTraffic } from "./rollout-traffic.ts";
import { VariantWeights, configuredAs } from "./variant-weights.ts";
import { type WeightStore, memoryWeightStore, openDatabaseWeightStore } from "./weight-store.ts";

/** What the server was opened with that concerns deployments. */
export interface DeploymentsOptions extends CallOptions {
  readonly database?: Database | undefined;
  readonly events?: EventLog | undefined;
  readonly leases?: LeaseStore | undefined;
  readonly alerts?: AlertSource | undefined;
  readonly gates?: Readonly<Record<string, DeploymentGate>> | undefined;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly leaseTtlMs?: number | undefined;
  readonly pollMs?: number | undefined;
  readonly watch?: boolean | undefined;
}

/** The variants that a configuration names. */
export interface Configured {
  readonly variants: Readonly<Record<string, VariantOptions>>;
  /** The number of the configuration that named them; 0 where the server was opened with them. */
  readonly since: number;
}

interface Place {
  readonly endpoint: Endpoint;
  readonly kept: KeptRecord | undefined;
  readonly traffic: RolloutTraffic;
  readonly rollout: Rollout;
  readonly weights: VariantWeights;
}

async function endOf({ rollout, weights, traffic }: Place): Promise<void> {
  await Promise.all([rollout.close(), weights.close()]);
  await traffic.close();
}

/** Where deployments are kept, who decides, and where events stand. */
interface Durable {
  readonly store: DeploymentStore;
  readonly weightStore: WeightStore;
  readonly evidence: EvidenceStore;
  readonly events?: DeploymentsOptions["events"];
  readonly leases?: DeploymentsOptions["leases"];
}

/** Servers without a database do not load what speaks to one: it is a fifth of what a server loads. */
async function durable(database: Database, { clock, signal }: DeploymentsOptions): Promise<Durable> {
  const { openEventLog, openLeaseStore } = await import("@millwright/storage");
  return {
    store: await openDatabaseDeploymentStore(database, { signal }),
    weightStore: await openDatabaseWeightStore(database, { signal }),
    evidence: await openDatabaseEvidenceStore(database, { signal }),
    events: openEventLog(database),
    leases: openLeaseStore(database, { clock }),
  };
}

/** The deployments and the weights of all endpoints of a server. */
export class Deployments {
  readonly #options: DeploymentsOptions;
  readonly #store: DeploymentStore;
  readonly #weightStore: WeightStore;
  readonly #evidence: EvidenceStore;
  readonly #causes: ModelCauses;
  readonly #leases: DeploymentsOptions["leases"];
  readonly #places = new Map<string, Place>();

  private constructor(
    options: DeploymentsOptions,
    { store, weightStore, evidence, events = options.events, leases }: Durable,
  ) {
    this.#options = options;
    this.#leases = options.leases ?? leases;
    this.#store = store;
    this.#weightStore = weightStore;
    this.#evidence = evidence;
    this.#causes = createModelCauses(events, options.logger);
  }

  static async open(options: DeploymentsOptions): Promise<Deployments> {
    const { database, events } = options;
    return new Deployments(
      options,
      database === undefined
        ? {
            store: memoryDeploymentStore(events),
            weightStore: memoryWeightStore(events),
            evidence: memoryEvidenceStore(),
          }
        : await durable(database, options),
    );
  }

  /** Loads the models of an endpoint's variants as deployments left them: all of them, or none. */
  async load(endpoint: Endpoint, configured: Configured, { signal }: CallOptions): Promise<void> {
    try {
      await this.#load(endpoint, configured, { signal });
    } catch (error) {
      const { routes } = endpoint;
      endpoint.setRoutes([]);
      await Promise.all(routes.map(({ slot }) => slot.close()));
      throw error;
    }
  }

  async #load(endpoint: Endpoint, { variants, since }: Configured, { signal }: CallOptions): Promise<void> {
    const { watch = true } = this.#options;
    const kept = await this.#store.read(endpoint.name, { signal });
    const entries = Object.entries(variants);
    for (const [variant, { model, weight }] of entries) {
      // A deployment that was completed outlives a restart, until the configuration names another model.
      const record =
        kept?.record.configured === configuredAs(model, since) && entries.length === 1 ? kept.record : undefined;
      const ref = record === undefined ? model : record.state === "completed" ? record.plan.model : record.before;
      const slot = await endpoint.openSlot(ref, signal);
      endpoint.setRoutes([...endpoint.routes, { name: variant, weight, slot }]);
      if (watch) slot.watch();
    }
    this.#places.set(endpoint.name, this.#place(endpoint, { variants, since }, kept));
  }

  /** Which of the endpoints have a deployment under way, as the store knows. */
  async running(endpoints: readonly string[], options: CallOptions = {}): Promise<readonly string[]> {
    const kept = await Promise.all(endpoints.map((name) => this.#store.read(name, options)));
    return endpoints.filter((_, at) => kept[at] !== undefined && isRunning(kept[at].record));
  }

  /** From here on these are the deployments and weights of an endpoint. @returns what ends those of before. */
  replace(endpoint: Endpoint, configured: Configured): () => Promise<void> {
    const before = this.#places.get(endpoint.name);
    this.#places.set(endpoint.name, this.#place(endpoint, configured, undefined));
    return async () => before && endOf(before);
  }

  /** As `start`, of an endpoint that took the place of another. */
  async restart(endpoint: Endpoint, { signal }: CallOptions): Promise<void> {
    const place = this.#places.get(endpoint.name);
    if (place === undefined) return;
    const kept = await this.#store.read(endpoint.name, { signal });
    this.#places.set(endpoint.name, { ...place, kept });
    await this.start(endpoint, { signal });
  }

  /** Forgets an endpoint. @returns what ends its deployments, and tells that it is no more. */
  remove(name: string): () => Promise<void> {
    const before = this.#places.get(name);
    this.#places.delete(name);
    return async () => {
      if (before !== undefined) await endOf(before);
      await tellRemoved([name], { store: this.#store, logger: this.#options.logger });
    };
  }

  /** Tells of an endpoint that answers now, and goes on with what was under way. */
  async start({ name }: Endpoint, { signal }: CallOptions): Promise<void> {
    const { logger } = this.#options;
    const { endpoint, kept, weights, rollout } = this.#places.get(name) as Place;
    await weights.start({ signal });
    await tellCreated(endpoint, { store: this.#store, causes: this.#causes, logger, signal });
    await rollout.start(kept);
  }

  rollout(name: string): Rollout | undefined {
    return this.#places.get(name)?.rollout;
  }

  weights(name: string): VariantWeights | undefined {
    return this.#places.get(name)?.weights;
  }

  /** Whatever the request is of; what nobody waits for is dropped. */
  label(label: CapturedLabel): void {
    for (const { rollout } of this.#places.values()) rollout.canary.label(label);
  }

  outcome(outcome: RequestOutcome): void {
    for (const { rollout } of this.#places.values()) rollout.canary.outcome(outcome);
  }

  /** Decides nothing any more. */
  async stop(): Promise<void> {
    await Promise.all(
      [...this.#places.values()].map(({ rollout, weights }) => Promise.all([rollout.close(), weights.close()])),
    );
  }

  /** Closes all models once nobody asks them, and tells of the end of endpoints that end with their server. */
  async close(endpoints: Iterable<Endpoint>): Promise<void> {
    const opened = [...endpoints];
    await Promise.all([...this.#places.values()].map(({ traffic }) => traffic.close()));
    await Promise.all(
      opened.flatMap(({ routes }) => routes.filter(({ name }) => name !== "candidate").map(({ slot }) => slot.close())),
    );
    await tellRemoved(
      opened.map(({ name }) => name),
      { store: this.#store, logger: this.#options.logger },
    );
  }

  #place(endpoint: Endpoint, { variants, since }: Configured, kept: KeptRecord | undefined): Place {
    const { database, clock, ids, logger, alerts, gates = {}, leaseTtlMs = 10_000, watch = true } = this.#options;
    const pollMs = database === undefined ? undefined : (this.#options.pollMs ?? 500);
    const configured = { model: Object.values(variants)[0]?.model ?? "", since };
    const traffic = new RolloutTraffic(endpoint, configured, watch, logger);
    const rollout = new Rollout({
      traffic,
      store: this.#store,
      leases: this.#leases,
      alerts,
      gates,
      evidence: this.#evidence,
      causes: this.#causes,
      clock,
      ids,
      logger,
      leaseTtlMs,
      pollMs,
    });
    const weights = new VariantWeights({
      endpoint,
      variants,
      since,
      store: this.#weightStore,
      clock,
      logger,
      pollMs,
    });
    return { endpoint, kept, traffic, rollout, weights };
  }
}
