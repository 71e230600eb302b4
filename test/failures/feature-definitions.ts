import * as features from "../../packages/feature-store/dist/index.js";
import { type Failures, type Subjects, well } from "./subjects.ts";

export const entity: features.Entity<{ readonly user: "utf8" }> = features.defineEntity({
  name: "user",
  keys: { user: "utf8" },
});
/** A view of records, with personal values. */
export const profile: features.FeatureView = features.defineFeatureView({
  name: "profile",
  entity,
  eventTime: "at",
  features: { plan: "utf8", credit: "int64" },
  freshness: { maxAgeMs: 100_000, onStale: "fail" },
  columns: { plan: { sensitivity: "pii" } },
});
/** A view of events, which are counted. */
export const clicks: features.FeatureView = features.defineFeatureView({
  name: "clicks",
  entity,
  eventTime: "at",
  inputs: { ms: "float64" },
  aggregates: { clicks: features.count(1_000), mean: features.mean("ms", 1_000) },
});
const parts = { name: "amounts", inputs: { amount: "float64" }, features: { big: "bool" } } as const;
const compute = ({ amount }: { readonly amount: number | null }): { readonly big: boolean | null } => ({
  big: amount === null ? null : amount > 10,
});
const onDemand = features.defineOnDemandFeatures({ ...parts, compute });
export const service: features.FeatureService = features.defineFeatureService({
  name: "score",
  views: [profile, clicks],
  onDemand: [onDemand],
});

const awaited = features.defineAwaitedFeatures({
  ...parts,
  name: "remote",
  compute: () => Promise.reject(new Error("the other service is away")),
  timeoutMs: 1_000,
  defaults: {},
});
/** Without defaults, so that a read fails with what is waited for. */
export const remote: features.FeatureService = features.defineFeatureService({
  name: "remote",
  views: [clicks],
  onDemand: [awaited],
});

const invalid = (call: () => unknown): Failures => ({ FEATURE_STORE_DEFINITION_INVALID: call });
/** A window or aggregate is checked where a view is defined of it. */
const refused = (aggregate: () => features.Aggregate): Failures =>
  invalid(() =>
    features.defineFeatureView({
      name: "wrong",
      entity,
      eventTime: "at",
      inputs: { ms: "float64" },
      aggregates: { it: aggregate() as features.Aggregate<"ms"> },
    }),
  );

const { sum, mean, min, max, variance, standardDeviation, firstValue, lastValue } = features;
const ofOneInput = { sum, mean, min, max, variance, standardDeviation, firstValue, lastValue };

const aggregates: Subjects = {
  count: well(
    features.count,
    () => [1_000],
    refused(() => features.count(-1)),
  ),
  ...Object.fromEntries(
    Object.entries(ofOneInput).map(([name, aggregate]) => [
      name,
      well(
        aggregate,
        () => ["ms", 1_000],
        refused(() => aggregate("other", 1_000)),
      ),
    ]),
  ),
  distinct: well(features.distinct, () => ["ms", 1_000, { approximate: true }]),
  quantile: well(
    features.quantile,
    () => ["ms", 0.5, features.sliding(1_000, { slideMs: 100 }), { approximate: true }],
    refused(() => features.quantile("ms", 2, 1_000)),
  ),
  first: well(
    features.first,
    () => ["ms", 2, 1_000],
    refused(() => features.first("ms", 0, 1_000)),
  ),
  last: well(
    features.last,
    () => ["ms", 2, features.session(50)],
    refused(() => features.last("ms", 1.5, 1_000)),
  ),
  seconds: well(features.seconds, () => [1]),
  minutes: well(features.minutes, () => [1]),
  hours: well(features.hours, () => [1]),
  days: well(features.days, () => [1]),
  sliding: well(
    features.sliding,
    () => [1_000, { slideMs: 100 }],
    refused(() => features.count(features.sliding(1_000, { slideMs: -1 }))),
  ),
  tumbling: well(
    features.tumbling,
    () => [1_000, { offsetMs: 10, which: "current" }],
    refused(() => features.count(features.tumbling(0))),
  ),
  session: well(
    features.session,
    () => [50, { longestMs: 1_000 }],
    refused(() => features.count(features.session(0))),
  ),
};

const about = { description: "what it is", owner: "mill", tags: { team: "late" } };

/** Entities, views, services, and what they are made of. */
export const definitions: Subjects = {
  ...aggregates,
  defineEntity: well(
    features.defineEntity,
    () => [{ name: "user", keys: { user: "utf8" }, ...about }],
    invalid(() => features.defineEntity({ name: "", keys: { user: "utf8" } })),
    150,
  ),
  defineFeatureView: well(
    features.defineFeatureView,
    () => [
      {
        ...about,
        name: "visits",
        version: 2,
        entity,
        eventTime: "at",
        createdTime: "seen",
        deleted: "gone",
        eventId: ["visit"],
        features: { plan: "utf8" },
        inputs: { visit: "utf8", left: "timestamp" },
        aggregates: { visits: features.count(60_000), pages: features.last("visit", 3, 60_000) },
        ttlMs: 1_000,
        ties: "last",
        freshness: { maxAgeMs: 10, onStale: "serve" },
        defaults: { plan: "free" },
        columns: { plan: { sensitivity: "pii", description: "what is paid" } },
      },
    ],
    {
      ...invalid(() => features.defineFeatureView({ ...profile, name: "a b", columns: {} })),
      FEATURE_STORE_NAME_RESERVED: () =>
        features.defineFeatureView({ name: "x", entity, eventTime: "at", features: { is_deleted: "bool" } }),
    },
    200,
  ),
  defineOnDemandFeatures: well(
    features.defineOnDemandFeatures,
    () => [{ ...parts, stored: { clicks__clicks: "int32" }, compute }],
    invalid(() => features.defineOnDemandFeatures({ ...parts, name: "", compute })),
    150,
  ),
  defineAwaitedFeatures: well(
    features.defineAwaitedFeatures,
    () => [{ ...parts, compute: async () => ({ big: true }), timeoutMs: 10, defaults: { big: false } }],
    invalid(() => features.defineAwaitedFeatures({ ...parts, compute: async () => ({}), timeoutMs: 0, defaults: {} })),
    150,
  ),
  defineFeatureService: well(
    features.defineFeatureService,
    () => [{ ...about, name: "score", version: 2, views: [profile, clicks], onDemand: [onDemand] }],
    invalid(() => features.defineFeatureService({ name: "score", views: [profile, profile] })),
    60,
  ),
};
