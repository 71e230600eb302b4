import { type Clock, systemClock } from "@millwright/contracts";
import type { FeatureService } from "../definition/service-definition.ts";
import type { FeatureView } from "../definition/definition.ts";
import type { AccessOptions } from "./access.ts";

export interface FeatureFaceOptions extends AccessOptions {
  /** The services that are answered for, as the store was opened with them. */
  readonly services: readonly FeatureService[];
  /** Longer bodies are refused with 413, before and after they are unpacked. Default: 16 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** Bodies with more rows are refused with 413. Default: 10,000. */
  readonly maxBodyRows?: number | undefined;
  /**
   * How far ahead of the clock the event time of a pushed row may be, milliseconds: a row of a far future would put all of today's reads out
   * of the store's reach. Default: one hour.
   */
  readonly maxFutureMs?: number | undefined;
  /** The store's. Default: the system's. */
  readonly clock?: Clock | undefined;
}

export interface FaceSetting {
  readonly services: ReadonlyMap<string, FeatureService>;
  readonly views: ReadonlyMap<string, FeatureView>;
  readonly maxBodyBytes: number;
  readonly maxBodyRows: number;
  readonly maxFutureMs: number;
  readonly clock: Clock;
}

/** The options with their defaults. Throws a RangeError for limits below 1. */
export function faceSetting(options: FeatureFaceOptions): FaceSetting {
  const { services, maxBodyBytes = 16 * 1024 * 1024, maxBodyRows = 10_000 } = options;
  const { maxFutureMs = 3_600_000, clock = systemClock } = options;
  for (const [name, limit] of Object.entries({ maxBodyBytes, maxBodyRows })) {
    if (!(Number.isInteger(limit) && limit >= 1))
      throw new RangeError(`${name} is ${limit}; give a whole number above 0.`);
  }
  if (!(maxFutureMs >= 0)) throw new RangeError(`maxFutureMs is ${maxFutureMs}; give 0 or more.`);
  return {
    services: new Map(services.map((service) => [service.id, service])),
    views: new Map(services.flatMap((service) => service.views.map((view) => [view.id, view]))),
    maxBodyBytes,
    maxBodyRows,
    maxFutureMs,
    clock,
  };
}
