import { expect } from "vitest";
import { startChild } from "./child.ts";
import { sqlite } from "./engines.ts";
import { processesSuite } from "./processes-suite.ts";

processesSuite(sqlite);

sqlite.test("a process that forgets to close ends by itself", async () => {
  await using place = await sqlite.makePlace();
  expect(await startChild("forgetter.mjs", [place.name]).ended).toEqual({ code: 0, signal: null, errors: "" });
});
