import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { denseRuntime, goldenRequest, loadModel, openDirectoryModelSource, packModel } from "@millwright/model";
import { exportOnnx } from "@millwright/model/onnx";
import { expect, test } from "vitest";
import { isolatedRuntime, optionalRuntime } from "../src/isolation.ts";
import { openModelServer } from "../src/index.ts";
import { expected, matrix, packFolder } from "./models.ts";

const absent = "onnxruntime-node is looked for in the folder that MILLWRIGHT_ONNXRUNTIME names: npm install --ignore-scripts onnxruntime-node"; // prettier-ignore
const runtimes = new URL("./fixtures/onnx-runtimes.js", import.meta.url);

test("SV-23: one model as TypeScript and as ONNX, in process and in a worker, answers the same within 1e-5; a runtime that is absent is told", async ({
  skip,
}) => {
  skip(process.env["MILLWRIGHT_ONNXRUNTIME"] === undefined && process.env["CI"] !== "true", absent);
  await using folder = await packFolder(1);
  const dense = await folder.source.resolve("late/1");
  const root = await mkdtemp(join(tmpdir(), "millwright-isolated-onnx-"));
  const rows = Array.from({ length: 100 }, (_, at) => [at / 9, -at / 5, 0.25, Math.sin(at)]);
  await packModel(join(root, "late", "1"), {
    name: "late",
    format: "onnx",
    ...(await exportOnnx(dense)),
    golden: [
      goldenRequest(
        { features: matrix([rows[3] ?? []]) },
        { probability: matrix([[expected(1, rows[3] ?? [])]]) },
        1e-5,
      ),
    ],
  });
  await using isolated = isolatedRuntime({ formats: ["dense", "onnx"], module: runtimes, workers: 2 });
  await using here = await loadModel(dense, [denseRuntime()]);
  await using there = await loadModel(dense, [isolated]);
  const inputs = { features: matrix(rows) };
  const wanted = (await here.predict(inputs))["probability"]?.data ?? [];
  expect((await there.predict(inputs))["probability"]?.data).toEqual(wanted);

  await using server = await openModelServer({
    source: openDirectoryModelSource(root),
    runtimes: [isolated],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
  });
  const { outputs } = await server.predict("late", { instances: rows });
  const given = outputs["probability"]?.data ?? [];
  const apart = rows.map((_, at) => Math.abs(Number(given[at]) - Number(wanted[at])));
  expect(given).toHaveLength(100);
  expect(Math.max(...apart)).toBeLessThanOrEqual(1e-5);

  // A library that is not there: nothing is thrown at import or when the server opens, and the report and the load say what is missing.
  const missing = optionalRuntime(["onnx"], async () => (await import("no-such-library" as string)) as never);
  await using other = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime(), missing],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
  });
  expect((await other.predict("late", { instances: [[1, 2, 3, 4]] })).outputs["probability"]?.shape).toEqual([1, 1]);
  expect(await missing.availability()).toMatchObject({
    formats: ["onnx"],
    available: false,
    problem: expect.stringContaining("no-such-library"),
  });
  await expect(missing.load(root, dense.manifest)).rejects.toMatchObject({ code: "SERVING_RUNTIME_ABSENT" });
  await rm(root, { recursive: true });
});
