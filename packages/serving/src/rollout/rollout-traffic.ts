import type { Digest, Logger } from "@millwright/contracts";
import { type DeploymentRecord, isRunning } from "./deployment-record.ts";
import type { Endpoint, Route } from "../engine/endpoint.ts";
import type { SeenAnswer } from "../canary/recorder.ts";
import type { Prediction } from "../engine/prediction.ts";
import type { RequestCall } from "../engine/stage.ts";
import { deploymentInvalid } from "../errors.ts";
import type { ModelSlot } from "../engine/model-slot.ts";
import { configuredAs } from "./variant-weights.ts";

/** What a deployment finds: the variant, its model now, and the one its configuration names. */
export interface Base {
  readonly variant: string;
  readonly model: string;
  readonly configured: string;
}

/** Carries a deployment's decisions out on this process's traffic: every call may be repeated. */
export class RolloutTraffic {
  readonly #endpoint: Endpoint;
  readonly #configured: string;
  readonly #watch: boolean;
  readonly #logger: Logger;
  #candidate: ModelSlot | undefined;
  readonly #closing = new Set<Promise<void>>();

  /** @param configured The model that the configuration names, and the number of that configuration. */
  constructor(
    endpoint: Endpoint,
    configured: { readonly model: string; readonly since: number },
    watch: boolean,
    logger: Logger,
  ) {
    this.#endpoint = endpoint;
    this.#configured = configuredAs(configured.model, configured.since);
    this.#watch = watch;
    this.#logger = logger;
  }

  get endpoint(): string {
    return this.#endpoint.name;
  }

  get base(): Base {
    const { name, slot } = this.#main();
    return { variant: name, model: slot.ref, configured: this.#configured };
  }

  /** Whether the record is about the model that the configuration still names. */
  isConfigured({ configured }: DeploymentRecord): boolean {
    return configured === this.#configured;
  }

  /** Throws `SERVING_DEPLOYMENT_INVALID`. */
  assertSingle(): void {
    const names = this.#endpoint.routes.map(({ name }) => name).filter((name) => name !== "candidate");
    if (names.length === 1) return;
    throw deploymentInvalid(
      this.endpoint,
      `it has the variants ${names.join(", ")}`,
      "Deploy to an endpoint with one variant.",
    );
  }

  /** The model that the reference means now. Throws what the source throws. */
  digestOf(ref: string, signal?: AbortSignal): Promise<Digest> {
    return this.#endpoint.digestOf(ref, signal);
  }

  /** Loads the candidate, without traffic yet. Throws what loading throws, and where the digest is not the one expected. */
  async openCandidate(ref: string, expected: string | undefined, signal?: AbortSignal): Promise<void> {
    if (this.#candidate?.ref !== ref) {
      this.#dropCandidate();
      this.#candidate = await this.#endpoint.openSlot(ref, signal);
    }
    const { digest } = this.#candidate.served.resolved;
    if (expected !== undefined && expected !== digest) {
      this.#dropCandidate();
      throw deploymentInvalid(
        this.endpoint,
        `"${ref}" is now ${digest}, and was ${expected} when the deployment began`,
        "Deploy it again.",
      );
    }
  }

  get candidateDigest(): Digest | undefined {
    return this.#candidate?.served.resolved.digest;
  }

  /** Told of each answer of either variant from here on, until it is `undefined`. */
  observe(observer: ((seen: SeenAnswer) => void) | undefined): void {
    this.#endpoint.observe(
      observer === undefined
        ? undefined
        : ({ call, route, routes, latencyMs, answer }) => {
            const candidate = routes.find(({ name }) => name === "candidate");
            if (candidate === undefined) return;
            const total = routes.reduce((sum, { weight }) => sum + weight, 0);
            const arm = route.name === "candidate" ? "candidate" : "baseline";
            observer({ call, arm, share: candidate.weight / total, latencyMs, answer });
          },
    );
  }

  /** Asks the model of before, beside the traffic. */
  askBaseline(call: RequestCall): Promise<Prediction> {
    return this.#endpoint.ask(this.#main(), call);
  }

  /** All traffic to the model of before, at once. */
  withdraw(): void {
    this.#endpoint.setRoutes([{ ...this.#main(), weight: 1 }]);
  }

  /** Makes the traffic what the record says. */
  async apply(record: DeploymentRecord): Promise<void> {
    const { plan, share, state, before, digest } = record;
    if (!this.isConfigured(record)) return;
    if (isRunning(record)) {
      await this.openCandidate(plan.model, digest);
      const main = this.#main();
      const candidate = this.#candidate as ModelSlot;
      this.#endpoint.setRoutes([
        { ...main, weight: 1 - share },
        { name: "candidate", weight: share, slot: candidate },
      ]);
      return;
    }
    await this.#serve(state === "completed" ? plan.model : before);
  }

  /** Waits for the models that left to finish, and closes a candidate. */
  async close(): Promise<void> {
    this.#dropCandidate();
    await Promise.all(this.#closing);
  }

  #main(): Route {
    const main = this.#endpoint.routes.find(({ name }) => name !== "candidate");
    if (main === undefined) throw new TypeError(`The endpoint "${this.endpoint}" has no variant.`);
    return main;
  }

  /** Gives all traffic to one model: the one that serves, the candidate, or one that is loaded for it. */
  async #serve(ref: string): Promise<void> {
    const main = this.#main();
    if (main.slot.ref === ref) {
      this.withdraw();
      this.#dropCandidate();
      return;
    }
    const slot = this.#candidate?.ref === ref ? this.#candidate : await this.#endpoint.openSlot(ref);
    if (slot === this.#candidate) this.#candidate = undefined;
    this.#endpoint.setRoutes([{ name: main.name, weight: 1, slot }]);
    if (this.#watch) slot.watch();
    this.#dropCandidate();
    this.#close(main.slot);
  }

  #dropCandidate(): void {
    if (this.#candidate !== undefined) this.#close(this.#candidate);
    this.#candidate = undefined;
  }

  #close(slot: ModelSlot): void {
    const closing = slot
      .close()
      .catch((error: unknown) => this.#logger.warn({ endpoint: this.endpoint, error }, "a model could not be closed"))
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
