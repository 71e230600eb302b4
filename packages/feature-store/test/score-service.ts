import type { Batch } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import {
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineOnDemandFeatures,
  hours,
  mean,
} from "../src/index.ts";

export const HOUR = 3_600_000;
export const user = defineEntity({ name: "user", keys: { user: "utf8" } });
export const profile = defineFeatureView({
  name: "profile",
  entity: user,
  eventTime: "at",
  createdTime: "seen",
  features: { plan: "utf8", credit: "int64" },
  ttlMs: 10 * HOUR,
});
export const clicks = defineFeatureView({
  name: "clicks",
  entity: user,
  eventTime: "at",
  inputs: { ms: "float64" },
  aggregates: { clicks_3h: count(hours(3)), ms_mean_1d: mean("ms", days(1)) },
});
export const calendar = defineOnDemandFeatures({
  name: "calendar",
  inputs: { at: "timestamp", amount: "float64" },
  features: { hour: "int32", sine: "float64", big: "bool" },
  compute: ({ at, amount }) => {
    const hour = at === null ? null : new Date(at).getUTCHours();
    return { hour, sine: at === null ? null : Math.sin(at / 1e7), big: amount === null ? null : amount > 10 };
  },
});
export const service = defineFeatureService({ name: "score", views: [profile, clicks], onDemand: [calendar] });

export const times = (hoursOf: readonly (number | null)[]) =>
  column(
    "timestamp",
    hoursOf.map((hour) => (hour === null ? null : new Date(hour * HOUR))),
  );
export const users = (...names: (string | null)[]): Batch => batchOf({ user: column("utf8", names) });
