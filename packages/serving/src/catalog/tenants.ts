import type { Clock, Counter } from "@millwright/contracts";
import type { Prediction } from "../engine/prediction.ts";
import type { Next, RequestCall, Stage, StageSite } from "../engine/stage.ts";
import { tenantQuota } from "./catalog-errors.ts";
import { SharedTime } from "./shared-time.ts";

export interface TenantQuota {
  /** Requests that a tenant may send each second, on average. Default: any number. */
  readonly ratePerSecond?: number | undefined;
  /** Requests that it may send at once after a pause. Default: those of a second, at least 1. */
  readonly burst?: number | undefined;
  /** Requests that may be under way at once. Default: any number. */
  readonly maxInFlight?: number | undefined;
}

export interface TenantQuotasOptions extends TenantQuota {
  /** For single tenants, in place of the others'. */
  readonly of?: Readonly<Record<string, TenantQuota>> | undefined;
  /** Whose a request is. Default: its `tenant`, else its `principal`, else `""`. */
  readonly tenantOf?: ((call: RequestCall) => string) | undefined;
}

export interface TenantUsage {
  readonly requests: number;
  readonly rows: number;
  /** Requests beyond the quota. */
  readonly refused: number;
  /** Its share of the time in which models worked, milliseconds: by rows at each moment. All tenants' add up to `busyMs`. */
  readonly modelMs: number;
}

export interface TenantBill {
  /** By tenant; all of them and `idle` add up to the total. */
  readonly tenants: Readonly<Record<string, number>>;
  /** For the time in which no model worked, where that is told apart. */
  readonly idle: number;
}

/** A stage that keeps tenants apart, and knows who used what. */
export interface TenantQuotas extends Stage {
  usage(): {
    readonly tenants: Readonly<Record<string, TenantUsage>>;
    readonly busyMs: number;
    readonly elapsedMs: number;
  };
  /**
   * Shares what the endpoint cost since it opened, in any currency: by the time that models worked for each tenant. `idle: "apart"` bills the time without work to nobody; `"shared"`, the
   * default, to the tenants in proportion.
   */
  bill(total: number, options?: { readonly idle?: "shared" | "apart" | undefined }): TenantBill;
}

interface Tenant {
  requests: number;
  rows: number;
  refused: number;
  modelMs: number;
  inFlight: number;
  tokens: number;
  filledMs: number;
}

/** Tenants without requests under way beyond these are kept as one. */
const rememberedTenants = 10_000;
const others = "(others)";

/**
 * Refuses what a tenant asks beyond its quota with `SERVING_TENANT_QUOTA` (429), before it costs anything: a token bucket, and a limit of requests under way. Throws a
 * `RangeError` for quotas out of range.
 */
export function tenantQuotas(options: TenantQuotasOptions = {}): TenantQuotas {
  for (const quota of [options, ...Object.values(options.of ?? {})]) check(quota);
  const ledger = new TenantLedger(options);
  return {
    name: "tenant-quotas",
    open: (site) => ledger.open(site),
    request: (call, next) => ledger.request(call, next),
    model: (call, next) => ledger.timed(call, call.rows, () => next(call)),
    usage: () => ledger.usage(),
    bill: (total, { idle = "shared" } = {}) => ledger.bill(total, idle),
  };
}

class TenantLedger {
  readonly #options: TenantQuotasOptions;
  readonly #tenants = new Map<string, Tenant>();
  readonly #time = new SharedTime();
  #clock: Clock | undefined;
  #openedMs = 0;
  #refused: Counter | undefined;

  constructor(options: TenantQuotasOptions) {
    this.#options = options;
  }

  open({ clock, meter }: StageSite): void {
    this.#clock = clock;
    this.#openedMs = clock.monotonicMs();
    this.#time.busyMs(this.#openedMs);
    this.#refused = meter.counter("millwright_serving_tenant_refused_total", {
      help: "Requests beyond the quota of their tenant.",
      labelNames: ["endpoint", "tenant"],
    });
  }

  async request(call: RequestCall, next: Next<RequestCall>): Promise<Prediction> {
    const name = this.#nameOf(call);
    const tenant = this.#tenant(name);
    tenant.requests += 1;
    const {
      ratePerSecond,
      burst = Math.max(1, ratePerSecond ?? 1),
      maxInFlight,
    } = this.#options.of?.[name] ?? this.#options;
    const crowded = maxInFlight !== undefined && tenant.inFlight >= maxInFlight;
    if (crowded || (ratePerSecond !== undefined && !take(tenant, { ratePerSecond, burst }, this.#now()))) {
      tenant.refused += 1;
      this.#refused?.add(1, { endpoint: call.endpoint, tenant: name });
      throw tenantQuota(call.endpoint, name, crowded ? `${maxInFlight} at once` : `${ratePerSecond} each second`);
    }
    tenant.inFlight += 1;
    try {
      return await next(call);
    } finally {
      tenant.inFlight -= 1;
    }
  }

  async timed(call: RequestCall, rows: number, work: () => Promise<Prediction>): Promise<Prediction> {
    const tenant = this.#tenant(this.#nameOf(call));
    tenant.rows += rows;
    const entered = this.#time.enter(rows, this.#now());
    try {
      return await work();
    } finally {
      tenant.modelMs += this.#time.leave(entered, this.#now());
    }
  }

  usage(): ReturnType<TenantQuotas["usage"]> {
    const nowMs = this.#now();
    const tenants = [...this.#tenants].map(
      ([name, { requests, rows, refused, modelMs }]) => [name, { requests, rows, refused, modelMs }] as const,
    );
    return {
      tenants: Object.fromEntries(tenants),
      busyMs: this.#time.busyMs(nowMs),
      elapsedMs: nowMs - this.#openedMs,
    };
  }

  bill(total: number, idle: "shared" | "apart"): TenantBill {
    const { tenants, busyMs, elapsedMs } = this.usage();
    const given = Object.values(tenants).reduce((sum, { modelMs }) => sum + modelMs, 0);
    const worked =
      given === 0 ? 0 : idle === "apart" && elapsedMs > 0 ? total * Math.min(1, busyMs / elapsedMs) : total;
    const bills = Object.entries(tenants).map(
      ([name, { modelMs }]) => [name, given === 0 ? 0 : (worked * modelMs) / given] as const,
    );
    return { tenants: Object.fromEntries(bills), idle: total - worked };
  }

  #now(): number {
    return this.#clock?.monotonicMs() ?? 0;
  }

  #nameOf(call: RequestCall): string {
    const { tenantOf = ({ request }: RequestCall) => request.tenant ?? request.principal ?? "" } = this.#options;
    return tenantOf(call);
  }

  #tenant(name: string): Tenant {
    const found = this.#tenants.get(name);
    if (found !== undefined) return found;
    const burst = Number.POSITIVE_INFINITY;
    const made = { requests: 0, rows: 0, refused: 0, modelMs: 0, inFlight: 0, tokens: burst, filledMs: this.#now() };
    this.#tenants.set(name, made);
    if (this.#tenants.size > rememberedTenants) this.#merge(name);
    return made;
  }

  /** The first tenant without a request under way joins the others, so that costs still add up. */
  #merge(keep: string): void {
    for (const [name, tenant] of this.#tenants) {
      if (name === keep || name === others || tenant.inFlight > 0) continue;
      this.#tenants.delete(name);
      const sum = this.#tenants.get(others) ?? { ...tenant, requests: 0, rows: 0, refused: 0, modelMs: 0 };
      sum.requests += tenant.requests;
      sum.rows += tenant.rows;
      sum.refused += tenant.refused;
      sum.modelMs += tenant.modelMs;
      this.#tenants.set(others, sum);
      return;
    }
  }
}

/** Takes a token of a bucket that fills with time. */
function take(
  tenant: Tenant,
  { ratePerSecond, burst }: { ratePerSecond: number; burst: number },
  nowMs: number,
): boolean {
  tenant.tokens = Math.min(burst, tenant.tokens + ((nowMs - tenant.filledMs) / 1000) * ratePerSecond);
  tenant.filledMs = nowMs;
  // A sum of fractions of time may miss a whole by a rounding.
  if (tenant.tokens < 1 - 1e-9) return false;
  tenant.tokens -= 1;
  return true;
}

function check({ ratePerSecond = 1, burst = 1, maxInFlight = 1 }: TenantQuota): void {
  if (!(ratePerSecond > 0))
    throw new RangeError(`ratePerSecond of a tenant must be more than 0, not ${ratePerSecond}.`);
  if (!(burst >= 1)) throw new RangeError(`burst of a tenant must be at least 1, not ${burst}.`);
  if (!(maxInFlight >= 1)) throw new RangeError(`maxInFlight of a tenant must be at least 1, not ${maxInFlight}.`);
}
