import type { JsonValue } from "@millwright/contracts";
import { expect, test } from "vitest";
import { redactBody } from "../src/capture/redact-body.ts";
import { explanations } from "../src/explanations.ts";
import { parseExpression } from "../src/explanations/expression.ts";

test("expressions are those of JMESPath that Clarify's documents use", () => {
  const record = {
    named: { probability: 0.6, probabilities: [0.4, 0.1, 0.5], label: "cat", "a b": 1 },
    list: [1, 0.6],
  };
  const truths: Readonly<Record<string, boolean>> = {
    "`true`": true,
    "`false`": false,
    "[1]>`0.5`": true,
    "[1] > `0.7`": false,
    "probability>`0.5`": true,
    "!contains(probabilities[:-1], max(probabilities))": true,
    "contains(probabilities[:-1], max(probabilities))": false,
    "probabilities[-1] == `0.5` && label == 'cat'": true,
    "label == 'dog' || (probability <= `0.6` && !(label != 'cat'))": true,
    "length(@) == `2`": true,
    '"a b" == `1`': true,
    "sum(probabilities) >= `0.99`": true,
    "abs(min(probabilities)) < `0.2`": true,
    "nothing > `1`": false,
    "label > `1`": false,
    "@.probability": true,
  };
  for (const [text, truth] of Object.entries(truths)) expect(parseExpression(text)?.(record), text).toBe(truth);
  for (const text of [
    "",
    "a >",
    "a b",
    "max()",
    "contains(a)",
    "eval(a)",
    "`{`",
    "[",
    "[1",
    "a..b",
    "(a",
    "a;b",
    "constructor(",
    "!".repeat(100),
  ])
    expect(parseExpression(text), text).toBeUndefined();
  expect(() => explanations({ enabled: "a >" })).toThrow(RangeError);
  expect(() => explanations({ timeMs: 0 })).toThrow(RangeError);
  expect(() => explanations({ maxRows: 0.5 })).toThrow(RangeError);
});

test("captured bodies hold no contributions of redacted columns, in our form and in Clarify's", () => {
  const redactor = { redact: (name: string, value: JsonValue) => (name === "town" ? "***" : value) };
  const ours = {
    predictions: [0.5],
    explanations: { rows: [{ p: { base: 1, contributions: { km: 2, town: 3 } } }, null] },
  };
  const redacted = (body: unknown): string | undefined =>
    redactBody(JSON.stringify(body), "JSON", { redactor, columns: undefined });
  expect(JSON.parse(redacted(ours)!)).toEqual({
    predictions: [0.5],
    explanations: { rows: [{ p: { base: 1, contributions: { km: 2, town: "***" } } }, null] },
  });
  const of = (feature_header: string) => ({ feature_header, attributions: [{ attribution: [1] }] });
  const clarify = { version: "1.0", explanations: { kernel_shap: [[of("km"), of("town")]] } };
  expect(JSON.parse(redacted(clarify)!)).toEqual({
    version: "1.0",
    explanations: { kernel_shap: [[of("km"), { feature_header: "town", attributions: [] }]] },
  });
});
