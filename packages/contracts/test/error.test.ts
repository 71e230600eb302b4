import * as contracts from "@millwright/contracts";
import { describe, expect, test } from "vitest";

const { MillwrightError, createRandom, hasCode, isMillwrightError } = contracts;

describe("the error of the house", () => {
  test("says what happened and then the mend, and keeps the cause", () => {
    const cause = new Error("underneath");
    const error = new MillwrightError("X_BROKEN", "The x is broken.", {
      category: "transient",
      remedy: "Try again.",
      retryable: true,
      cause,
    });
    expect(error.message).toBe("The x is broken. Try again.");
    expect(error).toMatchObject({
      code: "X_BROKEN",
      category: "transient",
      remedy: "Try again.",
      retryable: true,
      cause,
    });
    const plain = new MillwrightError("X_BROKEN", "The x is broken.", { category: "user", remedy: "Mend it." });
    expect(plain.retryable).toBe(false);
    expect(plain.docs).toBe("docs/errors.md#x_broken");
    const own = { category: "user", remedy: "Mend it.", docs: "https://example.com/x" } as const;
    expect(new MillwrightError("X_BROKEN", "The x is broken.", own).docs).toBe("https://example.com/x");
    expect(Object.hasOwn(plain, "cause")).toBe(false);
  });

  test("is told by its code, also when it comes from another install, and one older than `docs`", () => {
    class Foreign extends Error {
      readonly code = "X_BROKEN";
      readonly category = "user";
      readonly remedy = "Mend it.";
    }
    expect(hasCode(new Foreign("broken"), "X_BROKEN")).toBe(true);
    expect(hasCode(new Foreign("broken"), "X_OTHER")).toBe(false);
    expect(isMillwrightError(Object.assign(new Error("no file"), { code: "ENOENT" }))).toBe(false);
    for (const value of [null, undefined, "X_BROKEN", { code: "X_BROKEN", category: "user", remedy: "" }]) {
      expect(isMillwrightError(value)).toBe(false);
    }
  });
});

/** What a call throws, or rejects with. */
async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("the failures of contracts", () => {
  const { parseDigest, parseEventTime, parseModelManifest, defineSchema, utf8 } = contracts;
  const category: Readonly<Record<string, readonly [string, boolean]>> = {
    CONTRACTS_EVENT_TIME_INVALID: ["data", false],
    CONTRACTS_FORMAT_UNSUPPORTED: ["data", false],
    CONTRACTS_SCHEMA_INVALID: ["user", false],
    CONTRACTS_VALUE_INVALID: ["data", false],
    PORT_ARTIFACT_CORRUPT: ["data", false],
    PORT_ARTIFACT_MISSING: ["user", false],
    PORT_BUDGET_EXHAUSTED: ["quota", false],
    PORT_CLOSED: ["user", false],
    PORT_DEPLOYMENT_RUNNING: ["capacity", true],
    PORT_FEATURE_SERVICE_UNKNOWN: ["user", false],
    PORT_JOB_UNKNOWN: ["user", false],
    PORT_LEASE_LOST: ["transient", false],
    PORT_MODEL_CORRUPT: ["data", false],
    PORT_MODEL_UNKNOWN: ["user", false],
    PORT_TRANSITION_ILLEGAL: ["user", false],
    PORT_UNSUPPORTED: ["user", false],
    PORT_VERSION_CONFLICT: ["transient", false],
  };
  const failures: Readonly<Record<string, () => unknown>> = {
    CONTRACTS_EVENT_TIME_INVALID: () => parseEventTime("yesterday"),
    CONTRACTS_FORMAT_UNSUPPORTED: () => parseModelManifest({ formatVersion: 99 }),
    CONTRACTS_SCHEMA_INVALID: () => defineSchema({ "": utf8() }),
    CONTRACTS_VALUE_INVALID: () => parseDigest("md5"),
    PORT_ARTIFACT_CORRUPT: () => Promise.reject(contracts.artifactCorrupt("sha256:a", "sha256:b")),
    PORT_ARTIFACT_MISSING: () => Promise.reject(contracts.artifactMissing("sha256:a")),
    PORT_BUDGET_EXHAUSTED: () => contracts.createBudget({ usd: 1 }).reserve({ usd: 2 }),
    PORT_CLOSED: () => {
      const queue = contracts.createBoundedQueue(1);
      queue.close();
      return queue.put(1);
    },
    PORT_DEPLOYMENT_RUNNING: () => Promise.reject(contracts.deploymentRunning("late", "d1")),
    PORT_FEATURE_SERVICE_UNKNOWN: () => Promise.reject(contracts.featureServiceUnknown("late", ["early"])),
    PORT_JOB_UNKNOWN: () => Promise.reject(contracts.jobUnknown("j1")),
    PORT_LEASE_LOST: () => Promise.reject(contracts.leaseLost("gpu/0", 3)),
    PORT_MODEL_CORRUPT: () => Promise.reject(contracts.modelCorrupt("late", "a file is missing")),
    PORT_MODEL_UNKNOWN: () => Promise.reject(contracts.modelUnknown("late/3", [])),
    PORT_TRANSITION_ILLEGAL: () => contracts.assertJobTransition("completed", "training"),
    PORT_UNSUPPORTED: () => Promise.reject(contracts.unsupported("Scanning", "Use another driver.")),
    PORT_VERSION_CONFLICT: () => Promise.reject(contracts.versionConflict("k", 1, 2)),
  };

  test("each code is thrown with its category, a mend, and whether trying again helps", async () => {
    for (const [code, call] of Object.entries(failures)) {
      const error = await failureOf(call);
      expect(hasCode(error, code), `${code}: ${String(error)}`).toBe(true);
      if (!isMillwrightError(error)) continue;
      expect([code, error.category, error.retryable]).toEqual([code, ...(category[code] ?? [])]);
      expect(error.remedy).toMatch(/^[A-Z0-9a-z].*\.$/);
      expect(error.message.endsWith(error.remedy)).toBe(true);
    }
  });

  test("whatever a parser is given, it throws a listed code and nothing else", async () => {
    const parsers = Object.entries(contracts).filter(([name]) => name.startsWith("parse") && name !== "parseRow");
    expect(parsers.length).toBeGreaterThanOrEqual(10);
    const random = createRandom(17);
    const odd = [
      null,
      undefined,
      Number.NaN,
      -0,
      1n,
      "",
      "\ud800",
      "💥",
      [],
      {},
      Symbol.iterator,
      () => 1,
      new Date(0),
      new Map(),
      "__proto__",
    ];
    const keys = ["formatVersion", "name", "files", "digest", "data", "schema", "parts", "type", "__proto__", "state"];
    const tree = (depth: number): unknown => {
      if (depth === 0 || random.next() < 0.3) return odd[random.integer(odd.length)];
      const children = Array.from({ length: random.integer(5) }, () => tree(depth - 1));
      return random.next() < 0.4
        ? children
        : Object.fromEntries(children.map((child) => [keys[random.integer(keys.length)], child]));
    };
    for (let round = 0; round < 500; round += 1) {
      const value = tree(4);
      for (const [name, parse] of parsers) {
        const error = await failureOf(() => (parse as (value: unknown) => unknown)(value));
        if (error === undefined) continue;
        expect(isMillwrightError(error) && error.code in failures, `${name}: ${(error as Error).message}`).toBe(true);
      }
    }
  });
});
