import type { CallOptions, Clock, EventDraft, Logger } from "@millwright/contracts";
import type { Endpoint, VariantOptions } from "../engine/endpoint.ts";
import { deploymentInvalid, variantUnknown } from "../errors.ts";
import type { KeptWeights, WeightStore } from "./weight-store.ts";

export interface VariantWeightsOptions {
  readonly endpoint: Endpoint;
  readonly variants: Readonly<Record<string, VariantOptions>>;
  /** The number of the configuration that named these variants; 0 where the server was opened with them. */
  readonly since: number;
  readonly store: WeightStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often the store is looked at for what other processes set; `undefined` where there are none. */
  readonly pollMs: number | undefined;
}

/** What tells variants apart from those of another configuration. */
export const variantsText = (variants: VariantWeightsOptions["variants"]): string =>
  JSON.stringify(
    Object.entries(variants)
      .map(([name, { model, weight }]) => [name, model, weight])
      .toSorted(([left = ""], [right = ""]) => (left < right ? -1 : 1)),
  );

/** What records of weights and deployments name the configuration by that they are of: one that is applied again is another one. */
export const configuredAs = (text: string, since: number): string =>
  since === 0 ? text : `${text} (configuration ${since})`;

/** The weights of an endpoint's variants: what the configuration says until others are set, which outlive the process. */
export class VariantWeights {
  readonly #options: VariantWeightsOptions;
  readonly #configured: string;
  #revision = 0;
  readonly #closing = new AbortController();
  #polling: Promise<void> | undefined;

  constructor(options: VariantWeightsOptions) {
    this.#options = options;
    this.#configured = configuredAs(variantsText(options.variants), options.since);
  }

  /** Takes up what was set before, then follows the store. */
  async start({ signal }: CallOptions = {}): Promise<void> {
    const { clock, logger, pollMs, endpoint, store } = this.#options;
    if (Object.keys(this.#options.variants).length < 2) return;
    this.#apply(await store.read(endpoint.name, { signal }));
    if (pollMs === undefined || this.#polling !== undefined) return;
    const closing = this.#closing.signal;
    this.#polling = (async () => {
      while (!closing.aborted) {
        await clock.sleep(pollMs, { signal: closing }).catch(() => {});
        if (closing.aborted) return;
        await store.read(endpoint.name).then(
          (kept) => this.#apply(kept),
          (error: unknown) => logger.warn({ endpoint: endpoint.name, error }, "weights cannot be read"),
        );
      }
    })();
  }

  /** Throws `SERVING_VARIANT_UNKNOWN` and `SERVING_DEPLOYMENT_INVALID`. */
  async set(
    changes: Readonly<Record<string, number>>,
    { signal }: CallOptions = {},
  ): Promise<Readonly<Record<string, number>>> {
    signal?.throwIfAborted();
    const { endpoint, store, variants } = this.#options;
    const names = Object.keys(variants);
    if (names.length < 2)
      throw deploymentInvalid(
        endpoint.name,
        "it has one variant, which takes all",
        "Deploy to it, or open it with several.",
      );
    for (;;) {
      const kept = await store.read(endpoint.name, { signal });
      this.#apply(kept);
      const weights = this.#checked(changes);
      const record = { formatVersion: 1, endpoint: endpoint.name, weights, configured: this.#configured } as const;
      const written = await store.write(kept?.revision ?? 0, record, shifted(endpoint, weights));
      // Somebody else was faster: what he set stays where this says nothing of it.
      if (written === undefined) continue;
      this.#apply(written);
      return weights;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#polling;
  }

  #checked(changes: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
    const { endpoint, variants } = this.#options;
    const names = Object.keys(variants);
    if (changes === null || typeof changes !== "object")
      throw new TypeError("`weights` is an object of numbers by the names of variants.");
    for (const [name, weight] of Object.entries(changes)) {
      if (!names.includes(name)) throw variantUnknown(endpoint.name, name, names);
      if (typeof weight !== "number" || !(weight >= 0) || !Number.isFinite(weight))
        throw deploymentInvalid(
          endpoint.name,
          `the weight of "${name}" is ${weight}`,
          "Give a finite number of at least 0.",
        );
    }
    const weights = { ...Object.fromEntries(endpoint.routes.map(({ name, weight }) => [name, weight])), ...changes };
    if (!Object.values(weights).some((weight) => weight > 0))
      throw deploymentInvalid(endpoint.name, "no variant would take traffic", "Leave one of them a weight over 0.");
    return weights;
  }

  #apply(kept: KeptWeights | undefined): void {
    const { endpoint, logger } = this.#options;
    if (kept === undefined || kept.revision === this.#revision) return;
    this.#revision = kept.revision;
    const { configured, weights } = kept.record;
    if (configured !== this.#configured) {
      logger.info({ endpoint: endpoint.name }, "the weights that were set are of another configuration, and obsolete");
      return;
    }
    endpoint.setRoutes(endpoint.routes.map((route) => ({ ...route, weight: weights[route.name] ?? route.weight })));
  }
}

const shifted = ({ name, routes }: Endpoint, weights: Readonly<Record<string, number>>): EventDraft => ({
  source: "millwright/serving",
  type: "deployment.shifted",
  subject: name,
  data: {
    variants: routes.map((route) => ({
      name: route.name,
      model: route.slot.ref,
      before: route.weight,
      weight: weights[route.name] ?? route.weight,
    })),
    made: [{ kind: "endpoint", id: name }],
    from: routes.map(({ slot }) => ({ kind: "model", id: slot.served.resolved.digest, name: slot.ref })),
  },
});
