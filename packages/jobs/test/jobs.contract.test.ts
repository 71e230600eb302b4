import { jobLauncherContract } from "@millwright/contracts/testing";
import { test } from "vitest";
import { openTestJobs, work } from "./setting.ts";

for (const { name, appliesTo, run } of jobLauncherContract) {
  test(name, async ({ skip }) => {
    await using opened = await openTestJobs();
    const setting = {
      launcher: opened.jobs,
      succeeding: (id: string) => work(id, { do: "tell" }),
      failing: (id: string) => work(id, { do: "throw" }),
      endless: (id: string) => work(id, { do: "endless" }),
      echoing: (id: string) => work(id, { do: "echo" }),
    };
    if (appliesTo?.(setting) === false) skip("the case asks for a job that this launcher is not given");
    await run(setting);
  });
}
