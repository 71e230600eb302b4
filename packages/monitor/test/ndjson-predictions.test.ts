import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf } from "@millwright/contracts";
import { expect, test } from "vitest";
import { openNdjsonPredictions } from "../src/drivers/ndjson.ts";

const model = { name: "late", version: 3, digest: digestOf("model") };
const row = (requestId: string, more: object = {}): string =>
  JSON.stringify({
    formatVersion: 1,
    requestId,
    endpoint: "late",
    variant: "main",
    model,
    timeMs: 5,
    features: {},
    ...more,
  });

test("captured predictions are found by request id, also those that come later; a torn line is none until it is whole", async () => {
  const directory = await mkdtemp(join(tmpdir(), "millwright-predictions-"));
  try {
    const padding = "x".repeat(700_000);
    const ages = { flights: [1.5, null] };
    const lines = [row("a"), row("b", { padding }), row("c", { padding }), row("d", { featureAgesMs: ages })];
    await writeFile(join(directory, "1.ndjson"), `${lines.join("\n")}\n`);
    await writeFile(
      join(directory, "2.ndjson"),
      `${row("e", { errorCode: "none" })}\nnonsense\n${row("f").slice(0, 30)}`,
    );
    const predictions = openNdjsonPredictions({ directory });
    const base = { endpoint: "late", variant: "main", model, timeMs: 5 };
    expect(await predictions.find("a")).toEqual({ requestId: "a", ...base });
    expect(await predictions.find("d")).toEqual({ requestId: "d", ...base, featureAgesMs: ages });
    expect(await predictions.find("e")).toEqual({ requestId: "e", ...base, errorCode: "none" });
    expect(await predictions.find("f")).toBeUndefined();
    await appendFile(join(directory, "2.ndjson"), `${row("f").slice(30)}\n`);
    await writeFile(join(directory, "3.ndjson"), `${row("g")}\n`);
    const found = await Promise.all(["f", "g", "b", "none"].map((id) => predictions.find(id)));
    expect(found.map((each) => each?.requestId)).toEqual(["f", "g", "b", undefined]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
