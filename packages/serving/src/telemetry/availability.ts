/** What can be up or down by itself: a model, a variant, an endpoint, the traffic of a tenant. */
export interface AvailabilityUnit {
  readonly name: string;
  /** Its share of the traffic, relative to the others': what it usually gets, so that a unit that nobody can reach still counts. At least 0. */
  readonly traffic: number;
  /** Requests in the window, without those that failed because of what was asked. */
  readonly total: number;
  /** Those of them that were answered, and in time where there is an objective. */
  readonly good: number;
  /** Whether it is known to be down. Then it counts as not available, whatever it answered. Default: false. */
  readonly down?: boolean | undefined;
}

export interface Availability {
  /** From 0 to 1: the share of the usual traffic that was, or would have been, answered. NaN where there is no traffic at all. */
  readonly ratio: number;
  readonly units: readonly { readonly name: string; readonly ratio: number; readonly weight: number }[];
}

/**
 * Availability with partial outages: each unit's share of good requests, weighted by its traffic. A unit without requests in the window is as available as
 * `down` says. One of ten models with equal traffic down is 0.9, not 1.
 */
export function availabilityOf(units: readonly AvailabilityUnit[]): Availability {
  let traffic = 0;
  for (const unit of units) {
    checkUnit(unit);
    traffic += unit.traffic;
  }
  const parts = units.map(({ name, traffic: own, total, good, down = false }) => {
    const ratio = down ? 0 : total === 0 ? 1 : good / total;
    return { name, ratio, weight: traffic === 0 ? 0 : own / traffic };
  });
  const ratio = traffic === 0 ? Number.NaN : parts.reduce((sum, part) => sum + part.ratio * part.weight, 0);
  return { ratio, units: parts };
}

function checkUnit({ name, traffic, total, good }: AvailabilityUnit): void {
  if (!(traffic >= 0 && Number.isFinite(traffic)))
    throw new RangeError(`The traffic of "${name}" is ${traffic}, and must be 0 or more.`);
  if (!(good >= 0 && good <= total && Number.isFinite(total)))
    throw new RangeError(`"${name}" has ${good} good requests of ${total}.`);
}

/** A call as its caller saw it. */
export interface ClientOutcome {
  /** What was asked: a model, an endpoint. */
  readonly unit: string;
  /** `undefined` where no answer came: refused, reset, timed out. */
  readonly status: number | undefined;
  readonly latencyMs: number;
}

/**
 * The client's view: calls that got no answer, a 5xx, a 429, or an answer later than `latencyObjectiveMs` are not good; other 4xx are left out, for they are
 * the caller's. Traffic is what was asked, unless `traffic` says what is usual.
 */
export function clientAvailability(
  outcomes: Iterable<ClientOutcome>,
  {
    latencyObjectiveMs = Number.POSITIVE_INFINITY,
    traffic,
  }: {
    readonly latencyObjectiveMs?: number | undefined;
    readonly traffic?: Readonly<Record<string, number>> | undefined;
  } = {},
): Availability {
  const counts = new Map<string, { total: number; good: number }>();
  for (const name of Object.keys(traffic ?? {})) counts.set(name, { total: 0, good: 0 });
  for (const { unit, status, latencyMs } of outcomes) {
    if (status !== undefined && status >= 400 && status < 500 && status !== 429) continue;
    let count = counts.get(unit);
    if (count === undefined) counts.set(unit, (count = { total: 0, good: 0 }));
    count.total += 1;
    if (status !== undefined && status < 400 && latencyMs <= latencyObjectiveMs) count.good += 1;
  }
  return availabilityOf(
    [...counts].map(([name, { total, good }]) => ({
      name,
      total,
      good,
      traffic: traffic === undefined ? total : Object.hasOwn(traffic, name) ? (traffic[name] ?? 0) : 0,
    })),
  );
}
