import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import {
  defineObjective,
  formatOpenSlo,
  googleProfile,
  histogramCounters,
  objectivesOfOpenSlo,
  openSloOf,
  openSloSchema,
  parseOpenSlo,
  prometheusRulesYaml,
  pyrraObjects,
  pyrraProfile,
  servingErrorCounters,
  slothProfile,
  slothSpec,
  sustainedProfile,
  type OpenSloDocument,
} from "../src/slo.ts";

const validate = new Ajv2020({ strict: false }).compile(openSloSchema);
const hour = 3_600_000;
const day = 24 * hour;

const query = (text: string): string => `{ metricSource: { type: Prometheus, spec: { query: '${text}' } } }`;
const file = `
apiVersion: openslo/v1
kind: Service
metadata: { name: late, displayName: Late arrivals, labels: { team: [ml, ops], tier: "1" } }
spec: { description: Says which trains come late. }
---
apiVersion: openslo/v1
kind: DataSource
metadata: { name: prometheus }
spec: { type: Prometheus, connectionDetails: { url: "http://prometheus:9090" } }
---
apiVersion: openslo/v1
kind: SLI
metadata: { name: late-errors }
spec:
  ratioMetric:
    counter: true
    bad: ${query('ml_errors_total{model="late"}')}
    total: ${query('ml_predictions_total{model="late"}')}
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: { name: fast-burn }
spec:
  severity: page
  condition: { kind: burnrate, op: gte, threshold: 2, lookbackWindow: 1h, alertAfter: 5m }
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: { name: on-call }
spec:
  alertWhenBreaching: true
  alertWhenNoData: true
  conditions: [{ conditionRef: fast-burn }]
  notificationTargets: [{ targetRef: mail }]
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: { name: mail }
spec: { target: email, description: Mails whoever is on call. }
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: late-available, annotations: { "example.com/dashboard": "https://grafana.example/d/late" }, labels: { team: ml } }
spec:
  description: Predictions are answered.
  service: late
  indicatorRef: late-errors
  timeWindow: [{ duration: 4w, isRolling: true }]
  budgetingMethod: Occurrences
  objectives: [{ displayName: Inside, target: 0.999 }, { displayName: Contract, targetPercent: 99.5 }]
  alertPolicies: [{ alertPolicyRef: on-call }]
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: late-slices }
spec:
  service: late
  indicator:
    metadata: { name: late-threshold }
    spec: { thresholdMetric: { metricSource: { metricSourceRef: prometheus, spec: { promql: up } } } }
  timeWindow: [{ duration: 1M, isRolling: false, calendar: { startTime: 2024-01-01 00:00:00, timeZone: America/New_York } }]
  budgetingMethod: Timeslices
  objectives: [{ op: lte, value: 5, target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 5 }]
`;

test("MO-51: documents of every kind of OpenSLO v1 are read, are valid by the schema, and come back as they were", () => {
  const documents = parseOpenSlo(file);
  expect(documents.map(({ kind }) => kind)).toEqual([
    "Service",
    "DataSource",
    "SLI",
    "AlertCondition",
    "AlertPolicy",
    "AlertNotificationTarget",
    "SLO",
    "SLO",
  ]);
  for (const document of documents) expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
  expect(parseOpenSlo(formatOpenSlo(documents))).toEqual(documents);
  expect(documents[6]?.metadata.annotations).toEqual({ "example.com/dashboard": "https://grafana.example/d/late" });
});

test("MO-51: a list of objects in one document, and an empty list of policies, are read as the reference tool reads them", () => {
  const documents = parseOpenSlo(file);
  expect(parseOpenSlo(JSON.stringify(documents))).toEqual(documents);
  const last = structuredClone(documents.at(-1)!);
  const bare = { ...last, spec: { ...last.spec, alertPolicies: null } };
  expect(validate(bare), JSON.stringify(validate.errors)).toBe(true);
  expect(objectivesOfOpenSlo(parseOpenSlo(formatOpenSlo([bare])))[0]?.objective.profile).toEqual(googleProfile());
});

test("MO-51: objectives of OpenSLO follow their references, and become what they say", () => {
  const [available, contract, slices] = objectivesOfOpenSlo(parseOpenSlo(file)) as ReturnType<
    typeof objectivesOfOpenSlo
  >;
  expect(available).toMatchObject({
    service: "late",
    labels: { team: "ml" },
    description: "Predictions are answered.",
    counters: { bad: 'ml_errors_total{model="late"}', total: 'ml_predictions_total{model="late"}' },
    objective: {
      name: "late-available",
      objective: 0.999,
      periodMs: 28 * day,
      missingData: "alarm",
      profile: [{ severity: "page", longMs: hour, shortMs: hour, burnRate: 2, forMs: 300_000 }],
    },
  });
  expect(contract?.objective).toMatchObject({ name: "late-available-2", objective: 0.995 });
  expect(slices?.objective).toMatchObject({
    calendar: { unit: "month", timeZone: "America/New_York" },
    slices: { lengthMs: 300_000, target: 0.95 },
    profile: googleProfile(),
  });
  expect(slices?.counters).toBeUndefined();
  // What has counters becomes rules.
  const { objective, counters, service } = available!;
  expect(prometheusRulesYaml([{ objective: { ...objective }, counters: counters!, service }])).toContain("for: 5m");
});

test("MO-51: our objectives go out to OpenSLO and come back the same, whatever they ask for", () => {
  const variants = [
    {},
    { profile: slothProfile(), minimumEvents: 3 },
    { profile: sustainedProfile(), missingData: "alarm", missingAfterMs: 600_000 },
    { calendar: { unit: "week", timeZone: "Europe/Berlin" }, profile: pyrraProfile() },
    {
      slices: { lengthMs: 60_000, target: 0.9 },
      missingData: "good",
      lowTraffic: { growUntilEvents: 100, wilsonZ: 1.96 },
    },
    { periodMs: 90 * day, objective: 0.9995 },
  ] as const;
  for (const options of variants) {
    const objective = defineObjective({ name: "late-available", objective: 0.99, ...options } as Parameters<
      typeof defineObjective
    >[0]);
    for (const counters of [servingErrorCounters("late"), histogramCounters("latency_seconds", 0.5)]) {
      const documents = openSloOf([
        { objective, counters, service: "late", labels: { team: "ml" }, description: "A promise." },
      ]);
      for (const document of documents) expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
      const [back] = objectivesOfOpenSlo(parseOpenSlo(formatOpenSlo(documents)));
      expect(back).toMatchObject({ counters, service: "late", labels: { team: "ml" }, description: "A promise." });
      expect(JSON.parse(JSON.stringify(back?.objective))).toEqual(JSON.parse(JSON.stringify(objective)));
    }
  }
});

/** A document to be broken: any field may be set or taken away. */
// oxlint-disable-next-line typescript/no-explicit-any -- what is broken here has no type
type Loose = Record<string, any>;

/** Each breaks one thing of a document that is well otherwise. */
const broken: readonly (readonly [problem: string, kind: string, change: (document: Loose) => void])[] = [
  ['the kind "Objective" is none of', "SLO", (each) => (each["kind"] = "Objective")],
  ['apiVersion is "openslo/v1alpha"', "SLO", (each) => (each["apiVersion"] = "openslo/v1alpha")],
  ['unknown field "status"', "Service", (each) => (each["status"] = {})],
  ["metadata.name", "SLO", (each) => (each["metadata"].name = "-late")],
  ["metadata.labels", "SLO", (each) => (each["metadata"].labels = { a: 5 })],
  ["spec.description", "SLO", (each) => (each["spec"].description = "x".repeat(1051))],
  ["either an indicator or an indicatorRef", "SLO", (each) => delete each["spec"].indicatorRef],
  ["exactly one window", "SLO", (each) => (each["spec"].timeWindow = [])],
  ["no shorthand", "SLO", (each) => (each["spec"].timeWindow[0].duration = "30 days")],
  ["either rolling, or has a calendar", "SLO", (each) => (each["spec"].timeWindow[0].isRolling = false)],
  ["budgetingMethod", "SLO", (each) => (each["spec"].budgetingMethod = "Events")],
  ["either a target or a targetPercent", "SLO", (each) => (each["spec"].objectives[0].targetPercent = 99)],
  ["target must be in [0, 1)", "SLO", (each) => (each["spec"].objectives[0].target = 1)],
  ["timeSliceTarget", "SLO", (each) => (each["spec"].budgetingMethod = "Timeslices")],
  ["either a thresholdMetric or a ratioMetric", "SLI", (each) => delete each["spec"].ratioMetric],
  ["either good or bad", "SLI", (each) => delete each["spec"].ratioMetric.bad],
  ["no metricSource", "SLI", (each) => (each["spec"].ratioMetric.total = {})],
  ["only burnrate", "AlertCondition", (each) => (each["spec"].condition.kind = "availability")],
  ["its op is", "AlertCondition", (each) => (each["spec"].condition.op = "eq")],
  ["shorthands like 1h", "AlertCondition", (each) => (each["spec"].condition.lookbackWindow = "1 hour")],
  ["exactly one", "AlertPolicy", (each) => (each["spec"].conditions = [])],
  ["spec.target", "AlertNotificationTarget", (each) => delete each["spec"].target],
  ["spec.type", "DataSource", (each) => delete each["spec"].type],
];

test.for(broken)(
  "MO-51: what breaks OpenSLO is refused with its place, by the schema too: %s",
  ([problem, kind, change]) => {
    const document = structuredClone(parseOpenSlo(file).find((each) => each.kind === kind)) as unknown as Record<
      string,
      unknown
    >;
    change(document);
    expect(validate(document)).toBe(false);
    const refused = expect.objectContaining({
      code: "MONITOR_OPENSLO_INVALID",
      message: expect.stringContaining(problem) as string,
    });
    expect(() => formatOpenSlo([document as unknown as OpenSloDocument])).toThrow(refused as Error);
    expect(() => parseOpenSlo(JSON.stringify(document))).toThrow(refused as Error);
  },
);

test("MO-51: files that are no OpenSLO, and references to nothing, are refused", () => {
  const refused = (text: string) =>
    expect.objectContaining({
      code: "MONITOR_OPENSLO_INVALID",
      message: expect.stringContaining(text) as string,
    }) as Error;
  expect(() => parseOpenSlo("")).toThrow(refused("no document"));
  expect(() => parseOpenSlo("a: [")).toThrow(refused("no YAML"));
  expect(() => parseOpenSlo("a: &a [1]\nb: *a")).toThrow(refused("aliases"));
  expect(() => parseOpenSlo("- 1")).toThrow(refused("object 1: it is no object"));
  const [slo] = parseOpenSlo(file).filter(({ kind }) => kind === "SLO");
  expect(() => objectivesOfOpenSlo([slo!])).toThrow(refused('refers to the AlertPolicy "on-call"'));
});

test("MO-51: objectives are exported to Sloth and Pyrra where these alert by the same table, and refused otherwise", () => {
  const slothLike = defineObjective({
    name: "late-available",
    objective: 0.9995,
    profile: slothProfile(),
    minimumEvents: 0,
  });
  const given = { counters: servingErrorCounters("late"), service: "late", description: "A promise." };
  expect(parse(slothSpec([{ objective: slothLike, ...given }]))).toEqual({
    version: "prometheus/v1",
    service: "late",
    slos: [
      {
        name: "late-available",
        objective: 99.95,
        description: "A promise.",
        sli: {
          events: {
            error_query: 'sum(rate(millwright_serving_errors_total{endpoint="late"}[{{.window}}]))',
            total_query: 'sum(rate(millwright_serving_requests_total{endpoint="late"}[{{.window}}]))',
          },
        },
        alerting: {
          name: "late-available",
          page_alert: { labels: { severity: "page" } },
          ticket_alert: { labels: { severity: "ticket" } },
        },
      },
    ],
  });
  const other = { ...given, service: "early", objective: { ...slothLike, name: "early" } };
  expect(parseAllDocuments(slothSpec([{ objective: slothLike, ...given }, other]))).toHaveLength(2);
  const pyrraLike = defineObjective({
    name: "late-fast",
    objective: 0.99,
    profile: pyrraProfile(),
    periodMs: 28 * day,
    minimumEvents: 0,
  });
  expect(
    parse(
      pyrraObjects([
        {
          objective: pyrraLike,
          service: "late",
          counters: histogramCounters("latency_seconds", 0.5, { endpoint: "late" }),
        },
      ]),
    ),
  ).toEqual({
    apiVersion: "pyrra.dev/v1alpha1",
    kind: "ServiceLevelObjective",
    metadata: { name: "late-fast", labels: { "pyrra.dev/service": "late" } },
    spec: {
      target: "99",
      window: "4w",
      indicator: {
        latency: {
          success: { metric: 'latency_seconds_bucket{endpoint="late",le="0.5"}' },
          total: { metric: 'latency_seconds_count{endpoint="late"}' },
        },
      },
      alerting: { name: "late-fast", absent: false },
    },
  });
  const untranslatable = expect.objectContaining({ code: "MONITOR_SLO_UNTRANSLATABLE" }) as Error;
  expect(() => slothSpec([{ objective: pyrraLike, ...given }])).toThrow(untranslatable);
  expect(() => pyrraObjects([{ objective: slothLike, ...given }])).toThrow(untranslatable);
  expect(() => slothSpec([{ objective: { ...slothLike, minimumEvents: 10 }, ...given }])).toThrow(untranslatable);
});
