import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvokeEndpointCommand, SageMakerRuntimeClient } from "@aws-sdk/client-sagemaker-runtime";
import type { ModelRuntime } from "@millwright/contracts";
import { openDirectoryModelSource, packModel } from "@millwright/model";
import { expect, test } from "vitest";
import { openModelServer } from "../src/index.ts";
import { denseRuntime, expected, packFolder } from "./models.ts";

const doubling: ModelRuntime = {
  formats: ["doubling"],
  load: async () => ({
    memoryBytes: 0,
    predict: async (inputs) => {
      const amounts = inputs["amounts"] as { data: Float64Array; shape: readonly number[] };
      return { doubled: { dtype: "float64", shape: amounts.shape, data: amounts.data.map((each) => 2 * each) } };
    },
    dispose: async () => {},
  }),
};

test("SV-30: the containers of an endpoint are asked by the name that the SDK of AWS sends, each by its own signature; unknown ones are 404", async () => {
  await using folder = await packFolder(1);
  const root = await mkdtemp(join(tmpdir(), "millwright-containers-"));
  await packModel(join(root, "doubling", "1"), {
    name: "doubling",
    format: "doubling",
    files: { "x.txt": new Uint8Array([1]) },
    signature: {
      inputs: [{ name: "amounts", dtype: "float64", shape: [-1, -1] }],
      outputs: [{ name: "doubled", dtype: "float64", shape: [-1, -1] }],
    },
  });
  const other = openDirectoryModelSource(root);
  const sourceOf = (ref: string): typeof other => (ref.startsWith("late") ? folder.source : other);
  await using server = await openModelServer({
    source: {
      resolve: (ref, given) => sourceOf(ref).resolve(ref, given),
      watch: (ref, given) => sourceOf(ref).watch(ref, given),
    },
    runtimes: [denseRuntime(), doubling],
    endpoints: {
      both: { variants: { late: { model: "late/1", weight: 1 }, doubling: { model: "doubling/1", weight: 0 } } },
    },
  });
  const http = createServer(server.node).listen(0, "127.0.0.1");
  await once(http, "listening");
  try {
    const endpoint = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    const client = new SageMakerRuntimeClient({
      endpoint,
      region: "eu-central-1",
      credentials: { accessKeyId: "id", secretAccessKey: "secret" },
      maxAttempts: 1,
    });
    const invoke = async (rows: readonly (readonly number[])[], container?: string, variant?: string) => {
      const { Body, InvokedProductionVariant } = await client.send(
        new InvokeEndpointCommand({
          EndpointName: "both",
          ContentType: "application/json",
          Body: JSON.stringify({ instances: rows }),
          TargetContainerHostname: container,
          TargetVariant: variant,
        }),
      );
      return [InvokedProductionVariant, JSON.parse(Buffer.from(Body ?? []).toString())];
    };
    const row = [0.5, -1, 2, 0.25];
    const late = { predictions: [expect.closeTo(expected(1, row), 6)] };
    expect(await invoke([row], "late")).toEqual(["late", late]);
    expect(await invoke([[1, 2.5]], "doubling")).toEqual(["doubling", { predictions: [[2, 5]] }]);
    // By weight where no container is named, and one name for both is one name.
    expect(await invoke([row])).toEqual(["late", late]);
    expect(await invoke([[3]], "doubling", "doubling")).toEqual(["doubling", { predictions: [6] }]);
    await expect(invoke([row], "third")).rejects.toMatchObject({ $metadata: { httpStatusCode: 404 } });
    await expect(invoke([row], "late", "doubling")).rejects.toMatchObject({ $metadata: { httpStatusCode: 400 } });

    const headers = { "x-amzn-sagemaker-target-container-hostname": "doubling" };
    const local = await fetch(`${endpoint}/invocations`, { method: "POST", headers, body: '{"instances":[[4]]}' });
    const { predictions } = (await local.json()) as { predictions: unknown };
    expect([local.status, predictions]).toEqual([200, [8]]);
    // The signature of the container that answered.
    const first = await fetch(`${endpoint}/invocations`, {
      method: "POST",
      body: JSON.stringify({ instances: [row] }),
    });
    expect(first.headers.get("x-millwright-schema")).not.toBe(local.headers.get("x-millwright-schema"));
  } finally {
    http.close();
    await rm(root, { recursive: true, force: true });
  }
});
