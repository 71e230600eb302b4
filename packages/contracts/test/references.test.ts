import { digestOf, digestOfJson } from "@millwright/contracts";
import { describe, expect, test } from "vitest";
import { typeErrors } from "./type-check.ts";

/** A program that passes `given` where `wanted` is asked for. */
const program = (given: string, wanted: string): string => `
import type { DatasetRef, Digest, EventId, FeatureViewRef, JobId, ModelRef, ModelVersionRef, RunId, TrialId } from "@millwright/contracts";
declare const given: ${given};
declare function take(wanted: ${wanted}): void;
take(given);
`;

describe("references", () => {
  test("CT-2: ids of different things are different types, and one byte of an artifact changes its reference", async () => {
    const refused = [
      ["RunId", "ModelVersionRef"],
      ["RunId", "TrialId"],
      ["JobId", "RunId"],
      ["string", "RunId"],
      ["ModelRef", "ModelVersionRef"],
      ["FeatureViewRef", "ModelVersionRef"],
      ["Digest", "DatasetRef"],
      ["RunId", "Digest"],
      ["EventId", "RunId"],
    ] as const;
    const taken = [
      ["RunId", "string"],
      ["ModelVersionRef", "ModelRef"],
      ["Digest", "string"],
    ] as const;
    const pairs = [...refused, ...taken];
    const errors = await typeErrors(pairs.map(([given, wanted]) => program(given, wanted)));
    const expected = [...refused.map(() => ["5: TS2345"]), ...taken.map(() => [])];
    expect(pairs.map((pair, index) => [...pair, errors[index]])).toEqual(
      pairs.map((pair, index) => [...pair, expected[index]]),
    );

    const bytes = new Uint8Array(4096).fill(7);
    const digests = new Set([digestOf(bytes)]);
    for (let index = 0; index < bytes.length; index += 97) {
      const changed = bytes.slice();
      changed[index] = 8;
      digests.add(digestOf(changed));
    }
    expect(digests.size).toBe(1 + Math.ceil(bytes.length / 97));
    expect(digestOfJson({ files: [digestOf(bytes)] })).not.toBe(digestOfJson({ files: [digestOf(bytes.subarray(1))] }));
  }, 600_000);
});
