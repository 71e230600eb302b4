import type { JsonObject } from "@millwright/contracts";

const texts: JsonObject = { type: "object", additionalProperties: { type: "string" } };
const duration: JsonObject = { type: "string", pattern: "^[1-9][0-9]*[mhdwMQY]$" };
const description: JsonObject = { type: "string", maxLength: 1050 };
const operator: JsonObject = { enum: ["lte", "gte", "lt", "gt"] };
const ref = (name: string): JsonObject => ({ $ref: `#/$defs/${name}` });
const object = (required: readonly string[], properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: "object",
  required,
  properties,
  ...more,
});
const oneOf = (...names: readonly string[]): JsonObject => ({ oneOf: names.map((name) => ({ required: [name] })) });
const ofKind = (kind: string, spec: JsonObject): JsonObject => ({ properties: { kind: { const: kind }, spec } });

const metadata = object(["name"], {
  name: { type: "string", pattern: "^[a-zA-Z0-9]([-a-zA-Z0-9.|/\\\\]{0,253}[a-zA-Z0-9])?$" },
  displayName: { type: "string" },
  labels: {
    type: "object",
    additionalProperties: { anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] },
  },
  annotations: texts,
});

const metric = object(["metricSource"], {
  metricSource: object(["spec"], {
    metricSourceRef: { type: "string" },
    type: { type: "string" },
    spec: { type: "object" },
  }),
});

const ratioMetric: JsonObject = {
  type: "object",
  properties: {
    counter: { type: "boolean" },
    good: metric,
    bad: metric,
    total: metric,
    raw: metric,
    rawType: { enum: ["success", "failure"] },
  },
  if: { required: ["raw"] },
  then: { required: ["rawType"] },
  else: { required: ["total"], ...oneOf("good", "bad") },
};

const indicator = object(
  [],
  { description, thresholdMetric: metric, ratioMetric },
  oneOf("thresholdMetric", "ratioMetric"),
);

const condition = object(["severity", "condition"], {
  description,
  severity: { type: "string" },
  condition: object(["op", "threshold", "lookbackWindow"], {
    kind: { const: "burnrate" },
    op: operator,
    threshold: { type: "number" },
    lookbackWindow: duration,
    alertAfter: { type: "string", pattern: "^(0m|[1-9][0-9]*[mhdwMQY])$" },
  }),
});

const policy = object(["conditions"], {
  description,
  alertWhenNoData: { type: "boolean" },
  alertWhenResolved: { type: "boolean" },
  alertWhenBreaching: { type: "boolean" },
  conditions: {
    type: "array",
    minItems: 1,
    maxItems: 1,
    items: {
      anyOf: [
        object(["conditionRef"], { conditionRef: { type: "string" } }),
        object(["spec"], { spec: ref("condition") }),
      ],
    },
  },
  notificationTargets: { type: "array" },
});

const timeWindow: JsonObject = {
  type: "array",
  minItems: 1,
  maxItems: 1,
  items: {
    oneOf: [
      object(["duration", "isRolling"], { duration, isRolling: { const: true }, calendar: false }),
      object(["duration", "calendar"], {
        duration,
        isRolling: { const: false },
        calendar: object(["startTime", "timeZone"], { startTime: { type: "string" }, timeZone: { type: "string" } }),
      }),
    ],
  },
};

const entry = object(
  [],
  {
    displayName: { type: "string" },
    op: operator,
    value: { type: "number" },
    target: { type: "number", minimum: 0, exclusiveMaximum: 1 },
    targetPercent: { type: "number", minimum: 0, exclusiveMaximum: 100 },
    timeSliceTarget: { type: "number", exclusiveMinimum: 0, maximum: 1 },
    timeSliceWindow: { anyOf: [{ type: "number", exclusiveMinimum: 0 }, duration] },
  },
  oneOf("target", "targetPercent"),
);

const slices = (required: readonly string[]): JsonObject => ({
  properties: { objectives: { items: { required } } },
});

const slo = object(
  ["service", "budgetingMethod", "objectives"],
  {
    description,
    service: { type: "string" },
    indicator: object(["spec"], { spec: ref("indicator") }),
    indicatorRef: { type: "string" },
    timeWindow,
    budgetingMethod: { enum: ["Occurrences", "Timeslices", "RatioTimeslices"] },
    objectives: { type: "array", minItems: 1, items: entry },
    alertPolicies: {
      type: ["array", "null"],
      items: {
        anyOf: [
          object(["alertPolicyRef"], { alertPolicyRef: { type: "string" } }),
          object(["spec"], { spec: ref("policy") }),
        ],
      },
    },
  },
  {
    ...oneOf("indicator", "indicatorRef"),
    allOf: [
      {
        if: { properties: { budgetingMethod: { const: "Timeslices" } } },
        then: slices(["timeSliceTarget", "timeSliceWindow"]),
      },
      { if: { properties: { budgetingMethod: { const: "RatioTimeslices" } } }, then: slices(["timeSliceWindow"]) },
    ],
  },
);

/** JSON Schema (2020-12) of one document of OpenSLO v1, as `parseOpenSlo` takes it. Written after the specification's README. */
export const openSloSchema: JsonObject = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  ...object(
    ["apiVersion", "kind", "metadata", "spec"],
    {
      apiVersion: { const: "openslo/v1" },
      kind: { type: "string" },
      metadata,
      spec: { type: "object", properties: { description } },
    },
    { additionalProperties: false },
  ),
  oneOf: [
    ofKind("Service", { type: "object" }),
    ofKind("DataSource", object(["type"], { type: { type: "string" } })),
    ofKind("AlertNotificationTarget", object(["target"], { target: { type: "string" } })),
    ofKind("SLI", ref("indicator")),
    ofKind("AlertCondition", ref("condition")),
    ofKind("AlertPolicy", ref("policy")),
    ofKind("SLO", ref("slo")),
  ],
  $defs: { indicator, condition, policy, slo },
};
