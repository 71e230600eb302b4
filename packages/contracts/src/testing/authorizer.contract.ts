import assert from "node:assert/strict";
import type { AccessRequest, Authorizer, Redactor } from "../authorizer.ts";
import type { JsonValue } from "../json.ts";
import { abortedSignal, rejectsWithReason } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

export interface AuthorizerFixture {
  readonly authorizer: Authorizer;
  readonly allowed: AccessRequest;
  /** Absent where everything is allowed. */
  readonly denied?: AccessRequest | undefined;
}

/** What each authorizer promises. */
export const authorizerContract: readonly ContractCase<AuthorizerFixture>[] = [
  {
    name: "what is allowed is allowed, every time",
    run: async ({ authorizer, allowed }) => {
      const decisions = await Promise.all(Array.from({ length: 5 }, () => authorizer.decide(allowed)));
      for (const decision of decisions) assert.deepEqual(decision, { allowed: true });
    },
  },
  {
    name: "a denial is an answer with a reason, not a rejection",
    appliesTo: ({ denied }) => denied !== undefined,
    run: async ({ authorizer, denied }) => {
      assert.ok(denied !== undefined);
      const decision = await authorizer.decide(denied);
      assert.equal(decision.allowed, false);
      assert.ok(decision.reason.length > 0);
    },
  },
  {
    name: "the request is left as it was",
    run: async ({ authorizer, allowed }) => {
      const before = structuredClone(allowed);
      await authorizer.decide(allowed);
      assert.deepEqual(allowed, before);
    },
  },
  {
    name: "an aborted signal rejects with its reason",
    run: async ({ authorizer, allowed }) => {
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(authorizer.decide(allowed, { signal }), reason);
    },
  },
];

export interface RedactorFixture {
  readonly redactor: Redactor;
  /** A field whose text must not be written down. */
  readonly sensitive: { readonly name: string; readonly value: string };
  /** A field that may be. */
  readonly harmless: { readonly name: string; readonly value: JsonValue };
}

/** What each redactor promises. */
export const redactorContract: readonly ContractCase<RedactorFixture>[] = [
  {
    name: "nothing of a sensitive text is left",
    run: async ({ redactor, sensitive }) => {
      const redacted = redactor.redact(sensitive.name, sensitive.value);
      assert.ok(!JSON.stringify(redacted).includes(sensitive.value));
    },
  },
  {
    name: "what is harmless stays as it is",
    run: async ({ redactor, harmless }) =>
      assert.deepEqual(redactor.redact(harmless.name, harmless.value), harmless.value),
  },
  {
    name: "null tells nothing and stays null",
    run: async ({ redactor, sensitive }) => assert.equal(redactor.redact(sensitive.name, null), null),
  },
  {
    name: "redacting twice is redacting once",
    run: async ({ redactor, sensitive }) => {
      const once = redactor.redact(sensitive.name, sensitive.value);
      assert.deepEqual(redactor.redact(sensitive.name, once), once);
    },
  },
  {
    name: "the value is left as it was",
    run: async ({ redactor, sensitive, harmless }) => {
      const value = { list: [sensitive.value], [harmless.name]: harmless.value };
      const before = structuredClone(value);
      redactor.redact(sensitive.name, value);
      redactor.redact(harmless.name, value);
      assert.deepEqual(value, before);
    },
  },
];
