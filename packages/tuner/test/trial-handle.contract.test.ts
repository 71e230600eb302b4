import { trialHandleContract } from "@millwright/contracts/testing";
import { openSqlite } from "@millwright/storage";
import { categorical, float, openStudy } from "@millwright/tuner";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "vitest";

const study = {
  name: "bowl",
  space: { x: float(-5, 5), kind: categorical(["a", "b"]) },
  direction: "minimize",
} as const;

describe.each(trialHandleContract)("$name", ({ run }) => {
  test("in a study in memory", async () => {
    await using opened = await openStudy(study);
    await run(await opened.ask());
  });

  test("in a study in a database", async () => {
    const folder = await mkdtemp(join(tmpdir(), "millwright-tuner-"));
    try {
      await using database = await openSqlite(join(folder, "mill.db"));
      await using opened = await openStudy({ ...study, database });
      await run(await opened.ask());
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("within optimize", async () => {
    await using opened = await openStudy(study);
    await opened.optimize(
      async (trial) => {
        await run(trial);
        return 0;
      },
      { trials: 1, failuresInARow: 1 },
    );
  });
});
