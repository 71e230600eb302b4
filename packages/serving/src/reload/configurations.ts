import { type Clock, type Digest, type EventLog, type Logger, abortable } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { Endpoint, EndpointOptions } from "../engine/endpoint.ts";
import { draining } from "../errors.ts";
import type { Startup } from "../health/startup.ts";
import type { Configured, Deployments } from "../rollout/deployments.ts";
import type { ConfigurationSite } from "./check-configuration.ts";
import type {
  ConfigurationVersion,
  CurrentConfiguration,
  HistoryOptions,
  ReconfigureOptions,
  Reconfigured,
  RollbackConfigurationOptions,
  ServerConfiguration,
} from "./configuration.ts";
import { configurationBusy, configurationConflict, configurationUnknown } from "./configuration-errors.ts";
import { type Applied, type ConfigurationPlan, openingOf, planOf, recordsOf, versionOf } from "./configuration-plan.ts";
import {
  type ConfigurationStore,
  type KeptConfiguration,
  memoryConfigurationStore,
  openDatabaseConfigurationStore,
} from "./configuration-store.ts";
import { Following } from "./following-configurations.ts";
import { type PreparedEndpoint, reasonOf } from "./prepare-endpoint.ts";
import { prepareAll } from "./prepare-all.ts";
import { Retirement } from "./retirement.ts";

export interface ConfigurationsSetting {
  readonly opening: ServerConfiguration;
  readonly site: ConfigurationSite;
  readonly database: Database | undefined;
  readonly events: EventLog | undefined;
  readonly pollMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly watch: boolean;
  /** The endpoints that requests find, changed in place. */
  readonly endpoints: Map<string, Endpoint>;
  create(name: string, options: EndpointOptions, before: Endpoint | undefined): Endpoint;
  /** What keeps an endpoint from being changed now, but for deployments that the store knows. */
  busyWith(name: string): string | undefined;
}

/** What runs by the configuration. */
export interface ServedParts {
  readonly deployments: Deployments;
  readonly startup: Startup;
}

type Written = Pick<KeptConfiguration, "number" | "digest">;

/** The configurations of a server: the one that is served, those that were, and the way from one to the next. */
export class Configurations {
  readonly #setting: ConfigurationsSetting;
  readonly #base: Digest;
  readonly #retirement: Retirement;
  readonly #stop = new AbortController();
  /** Those of this process that hold objects, by number. */
  readonly #given = new Map<number, ServerConfiguration>();
  #store: ConfigurationStore;
  #applied: Applied;
  #opening = 1;
  /** The newest version that is known of this opening; 0 where none was written. */
  #newest = 0;
  #behind: CurrentConfiguration["behind"];
  #served: ServedParts | undefined;
  #following: Following | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** Throws what makes parts throws. */
  constructor(setting: ConfigurationsSetting) {
    this.#setting = setting;
    this.#retirement = new Retirement(setting.logger);
    this.#store = memoryConfigurationStore(setting.events);
    this.#applied = openingOf(setting.opening, setting.site, setting.clock);
    this.#base = this.#applied.version.digest;
  }

  get current(): CurrentConfiguration {
    const behind = this.#behind;
    return { ...this.#applied.version, ...(behind === undefined ? {} : { behind }) };
  }

  get defaultEndpoint(): string {
    const { defaultEndpoint, endpoints } = this.#applied.configuration;
    return defaultEndpoint ?? Object.keys(endpoints)[0] ?? "";
  }

  /** The options of the default endpoint. */
  get defaultOptions(): EndpointOptions | undefined {
    return this.#applied.made.get(this.defaultEndpoint)?.options;
  }

  /** Makes the endpoints that are to be served, in their order. */
  open(): readonly (readonly [Endpoint, Configured])[] {
    const { made, since } = this.#applied;
    const { endpoints, create } = this.#setting;
    for (const [name, { options }] of made) endpoints.set(name, create(name, options, undefined));
    return [...endpoints.values()].map((endpoint) => {
      const { name, options } = endpoint;
      return [endpoint, { variants: options.variants, since: since[name] ?? 0 }] as const;
    });
  }

  /** Goes on with the newest version that was applied to this opening, where it can be made again. */
  async restore(signal?: AbortSignal): Promise<void> {
    const { database, logger, site } = this.#setting;
    if (database !== undefined) this.#store = await openDatabaseConfigurationStore(database, { signal });
    const newest = await this.#store.newest(this.#base, { signal });
    if (newest === undefined) {
      const [last] = await this.#store.list(1, { signal });
      this.#renumber((last?.number ?? 0) + 1);
      return;
    }
    this.#newest = newest.number;
    const told = { number: newest.number, digest: newest.digest };
    try {
      const plan = planOf(this.#configurationOf(newest), this.#applied, site, this.#retirement);
      this.#take(plan, newest);
      logger.info(told, "the newest configuration that was applied is served");
    } catch (error) {
      this.#behind = { number: newest.number, reason: reasonOf(error).problem };
      this.#renumber(newest.opening);
      logger.error({ ...told, error }, "the newest configuration cannot be served; the one of the opening is");
    }
  }

  /** From here on configurations are applied, and those of other processes followed. */
  follow(served: ServedParts): void {
    this.#served = served;
    if (this.#setting.database !== undefined)
      this.#following = new Following(this.#setting, (signal) => this.#look(signal));
  }

  reconfigure(configuration: ServerConfiguration, options: ReconfigureOptions = {}): Promise<Reconfigured> {
    return this.#alone(options.signal, () => this.#apply(configuration, options));
  }

  rollback({ to, ...options }: RollbackConfigurationOptions = {}): Promise<Reconfigured> {
    return this.#alone(options.signal, async () => {
      const { version } = this.#applied;
      const number = to ?? version.number - 1;
      if (number === version.number) return { applied: false, number, digest: version.digest, differences: [] };
      const target = await this.#store.read(number);
      if (target === undefined) throw configurationUnknown(number, "nothing of that number was applied");
      return this.#apply(this.#configurationOf(target), options, number);
    });
  }

  async history({ limit = 100, signal }: HistoryOptions = {}): Promise<readonly ConfigurationVersion[]> {
    if (!(limit >= 1)) throw new RangeError(`limit is ${limit}, and must be at least 1.`);
    const kept = await this.#store.list(limit, { signal });
    return kept.length === 0 ? [this.#applied.version] : kept.map(versionOf);
  }

  /** Resolves when no configuration is being applied. */
  async settled(): Promise<void> {
    await this.#turn;
  }

  /** Endpoints that were replaced and answer their last requests. */
  get retiring(): readonly Endpoint[] {
    return this.#retirement.endpoints;
  }

  /** Gives up what is being applied. */
  async stop(): Promise<void> {
    this.#stop.abort(draining());
    await this.#following?.close();
    await this.settled();
  }

  /** Waits for the endpoints that were replaced. */
  async close(): Promise<void> {
    await this.#retirement.close();
  }

  /** One after the other. */
  #alone<Result>(signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(() => {
      signal?.throwIfAborted();
      this.#stop.signal.throwIfAborted();
      return work();
    });
    this.#turn = result.catch(() => {});
    return abortable(result, signal);
  }

  /** Throws `SERVING_CONFIGURATION_UNKNOWN` where it held objects that are no more. */
  #configurationOf({ number, document, unrestorable }: KeptConfiguration): ServerConfiguration {
    const given = this.#given.get(number);
    if (given !== undefined) return given;
    if (unrestorable !== undefined) throw configurationUnknown(number, `it held ${unrestorable}`);
    return document as unknown as ServerConfiguration;
  }

  #renumber(number: number): void {
    this.#opening = number;
    this.#applied = { ...this.#applied, version: { ...this.#applied.version, number } };
  }

  #take({ made, configuration, unrestorable }: ConfigurationPlan, kept: KeptConfiguration): void {
    if (unrestorable !== undefined) this.#given.set(kept.number, configuration);
    // Objects of long ago would be kept for nothing: most were closed.
    for (const number of this.#given.keys()) if (number < kept.number - 20) this.#given.delete(number);
    this.#applied = { version: versionOf(kept), since: kept.since, made, configuration };
    this.#opening = kept.opening;
    this.#newest = kept.number;
    this.#behind = undefined;
  }

  async #apply(
    configuration: ServerConfiguration,
    options: ReconfigureOptions,
    rolledBackTo?: number,
  ): Promise<Reconfigured> {
    const { dryRun = false, ifNumber, signal } = options;
    const { number, digest } = this.#applied.version;
    if (ifNumber !== undefined && ifNumber !== number) throw configurationConflict(ifNumber, number);
    const plan = planOf(configuration, this.#applied, this.#setting.site, this.#retirement);
    const { differences } = plan;
    if (differences.length === 0) return { applied: false, number, digest, differences };
    if (dryRun) {
      await this.#carryOut(plan, undefined, signal);
      return { applied: false, number, digest, differences };
    }
    const written = await this.#carryOut(plan, () => this.#write(plan, options, rolledBackTo), signal);
    return { applied: true, number: written?.number ?? number, digest: written?.digest ?? digest, differences };
  }

  /** Serves what another process applied. */
  async #look(signal: AbortSignal): Promise<void> {
    const newest = await this.#store.newest(this.#base, { signal });
    if (newest === undefined || newest.number <= this.#newest) return;
    await this.#alone(signal, async () => {
      if (newest.number <= this.#newest) return;
      try {
        const { site } = this.#setting;
        const plan = planOf(this.#configurationOf(newest), this.#applied, site, this.#retirement);
        await this.#carryOut(plan, async () => newest, signal);
      } catch (error) {
        this.#behind = { number: newest.number, reason: reasonOf(error).problem };
        throw error;
      }
    });
  }

  /** Loads, writes, swaps. @param write Makes it lasting; without it everything is closed again. */
  async #carryOut(
    plan: ConfigurationPlan,
    write: (() => Promise<KeptConfiguration>) | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Written | undefined> {
    const stop = this.#stop.signal;
    const either = signal === undefined ? stop : AbortSignal.any([signal, stop]);
    const touched = [...plan.changed, ...plan.removed];
    await this.#assertFree(touched);
    const goOn = await Promise.all(touched.map((name) => this.#forget(name)));
    let prepared: readonly PreparedEndpoint[] = [];
    let kept: KeptConfiguration | undefined;
    try {
      const { endpoints, create } = this.#setting;
      const was = { endpoints, made: this.#applied.made };
      const options = { create, stages: write !== undefined, signal: either };
      prepared = await prepareAll(plan, was, this.#retirement, options);
      await this.#assertFree(touched);
      either.throwIfAborted();
      kept = await write?.();
    } finally {
      if (kept === undefined) {
        await this.#retirement.discard(prepared);
        for (const again of goOn) again?.();
      }
    }
    if (kept !== undefined) await this.#swap(plan, prepared, kept);
    return kept;
  }

  async #forget(name: string): Promise<(() => void) | undefined> {
    const endpoint = this.#setting.endpoints.get(name);
    return endpoint === undefined ? undefined : this.#served?.startup.forget(endpoint);
  }

  /** Throws `SERVING_CONFIGURATION_BUSY`. */
  async #assertFree(names: readonly string[]): Promise<void> {
    const { endpoints, busyWith } = this.#setting;
    for (const name of names) {
      const loading = endpoints.get(name)?.readiness.state === "loading";
      const why = loading ? "its models are being loaded" : busyWith(name);
      if (why !== undefined) throw configurationBusy(name, why);
    }
    const [running] = (await this.#served?.deployments.running(names)) ?? [];
    if (running !== undefined) throw configurationBusy(running, "a deployment to it is under way");
  }

  /** Throws `SERVING_CONFIGURATION_CONFLICT`. */
  async #write(
    plan: ConfigurationPlan,
    { by, reason }: ReconfigureOptions,
    rolledBackTo?: number,
  ): Promise<KeptConfiguration> {
    const told = { by, reason, rolledBackTo, appliedMs: this.#setting.clock.nowMs() };
    let written: KeptConfiguration | undefined;
    const other = await this.#store.append(this.#newest, (next) => {
      const opening = this.#newest === 0 ? next : this.#opening;
      const made = recordsOf(plan, this.#applied, { base: this.#base, opening, next }, told);
      written = made.at(-1);
      return made;
    });
    if (other !== "written") throw configurationConflict(this.#newest, other.number);
    return written as KeptConfiguration;
  }

  /** Every request that comes after the first half finds the new endpoints, all of them; those before it end where they began. */
  async #swap(plan: ConfigurationPlan, prepared: readonly PreparedEndpoint[], kept: KeptConfiguration): Promise<void> {
    const { endpoints, watch, logger } = this.#setting;
    const deployments = this.#served?.deployments;
    if (this.#applied.version.unrestorable !== undefined && this.#newest === 0)
      this.#given.set(kept.opening, this.#applied.configuration);
    const serving = new Map(endpoints);
    const ends = plan.removed.map((name) => deployments?.remove(name));
    for (const { name, next, routes, configuration } of prepared) {
      next.setRoutes(routes);
      next.enact();
      next.readiness = { state: "ready", attempts: 1 };
      const { variants } = configuration;
      ends.push(deployments?.replace(next, { variants, since: kept.since[name] ?? 0 }));
      serving.set(name, next);
    }
    endpoints.clear();
    for (const name of plan.made.keys()) endpoints.set(name, serving.get(name) as Endpoint);
    this.#take(plan, kept);
    for (const { before, next, opened } of prepared) {
      if (watch) for (const slot of opened) slot.watch();
      if (before !== undefined) this.#retirement.retire(before, next);
    }
    for (const name of plan.removed) this.#retirement.retire(serving.get(name) as Endpoint, undefined);
    logger.info({ number: kept.number, digest: kept.digest }, "a configuration is served");
    await Promise.all(ends.map(async (end) => end?.()));
    for (const { next } of prepared)
      await deployments
        ?.restart(next, {})
        .catch((error: unknown) =>
          logger.error(
            { endpoint: next.name, error },
            "deployments to an endpoint are not followed until it is opened again",
          ),
        );
  }
}
