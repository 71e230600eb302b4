import {
  allowAll,
  createIdSource,
  createManualClock,
  createRandom,
  redactFields,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import {
  authorizerContract,
  clockContract,
  idSourceContract,
  meterContract,
  randomContract,
  redactorContract,
} from "@millwright/contracts/testing";
import { describe, test } from "vitest";

describe("a manual clock", () => {
  for (const { name, run } of clockContract) {
    test(name, () => {
      const clock = createManualClock(1_700_000_000_000);
      return run({ clock, advance: (durationMs) => clock.advance(durationMs) });
    });
  }
});

describe("the system clock", () => {
  for (const { name, run } of clockContract) {
    test(name, () => run({ clock: systemClock, advance: (durationMs) => systemClock.sleep(durationMs + 2) }));
  }
});

describe("seeded random numbers", () => {
  for (const { name, run } of randomContract) test(name, () => run(createRandom));
});

describe("seeded ids", () => {
  for (const { name, run } of idSourceContract) {
    test(name, () => run(createIdSource(createManualClock(1_700_000_000_000), createRandom(1))));
  }
});

describe("ids of the platform's randomness", () => {
  for (const { name, run } of idSourceContract) test(name, () => run(createIdSource(systemClock)));
});

describe("the authorizer that allows everything", () => {
  for (const { name, appliesTo, run } of authorizerContract) {
    test(name, async ({ skip }) => {
      const allowed = { principal: undefined, action: "endpoint:invoke", resource: "endpoint/late" };
      const fixture = { authorizer: allowAll, allowed };
      if (appliesTo?.(fixture) === false) skip("nothing is denied");
      await run(fixture);
    });
  }
});

describe("the redactor of named fields", () => {
  for (const { name, run } of redactorContract) {
    test(name, () =>
      run({
        redactor: redactFields(["email"]),
        sensitive: { name: "email", value: "ann@example.org" },
        harmless: { name: "distance", value: { miles: [1, 2] } },
      }),
    );
  }
});

describe("the silent meter", () => {
  for (const { name, appliesTo, run } of meterContract) {
    test(name, async ({ skip }) => {
      const fixture = { meter: silentMeter };
      if (appliesTo?.(fixture) === false) skip("nothing is kept");
      await run(fixture);
    });
  }
});
