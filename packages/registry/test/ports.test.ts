import { modelRegistryContract, modelSourceContract, runTrackerContract } from "@millwright/contracts/testing";
import { describe, test } from "vitest";
import { openWorkshop, registerVersions } from "./workshop.ts";

describe("as a run tracker", () => {
  for (const { name, appliesTo, run } of runTrackerContract) {
    test(name, async ({ skip }) => {
      await using workshop = await openWorkshop();
      if (appliesTo?.(workshop.registry) === false) skip("the case asks for what this registry does not do");
      await run(workshop.registry);
    });
  }
});

describe("as a model registry", () => {
  for (const { name, appliesTo, run } of modelRegistryContract) {
    test(name, async ({ skip }) => {
      await using workshop = await openWorkshop();
      const { registry, pack } = workshop;
      const fixture = { registry, source: registry, pack: (content: string) => pack(content) };
      if (appliesTo?.(fixture) === false) skip("the case asks for what this registry does not do");
      await run(fixture);
    });
  }
});

describe("as a model source", () => {
  for (const { name, appliesTo, run } of modelSourceContract) {
    test(name, async ({ skip }) => {
      await using workshop = await openWorkshop();
      const { registry, pack } = workshop;
      await registerVersions(workshop, 1);
      await registry.setAlias("late", "champion", 1);
      const change = async (): Promise<void> => {
        const { version } = await registry.register("late", await pack(`changed ${Math.random()}`));
        await registry.setAlias("late", "champion", version);
      };
      const fixture = { source: registry, ref: "late@champion", unknownRef: "late@nobody", change };
      if (appliesTo?.(fixture) === false) skip("the case asks for what this registry does not do");
      await run(fixture);
    });
  }
});
