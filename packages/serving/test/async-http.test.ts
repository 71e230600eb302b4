import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { InvokeEndpointAsyncCommand, SageMakerRuntimeClient } from "@aws-sdk/client-sagemaker-runtime";
import { systemClock } from "@millwright/contracts";
import { createS3Payloads } from "@millwright/serving/async";
import { expect, test } from "vitest";
import { fakeS3 } from "../../storage/test/fake-s3.ts";
import { openQueue, textOf } from "./async-queue.ts";

test("SV-31: the AWS SDK's InvokeEndpointAsync gets an id and two locations, and the result appears there", async () => {
  await using queue = await openQueue({
    target: async (request) => {
      const [type, accept, more] = ["content-type", "accept", "x-amzn-sagemaker-custom-attributes"].map((name) =>
        request.headers.get(name),
      );
      return new Response(`${type} ${accept} ${more} ${await request.text()}`);
    },
  });
  const http = createServer(queue.inference.node);
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const endpoint = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const client = new SageMakerRuntimeClient({
    endpoint,
    region: "eu-west-1",
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    maxAttempts: 1,
  });
  try {
    const seed = await queue.inference.submit("late", { body: "1,2,3", inferenceId: "seed" });
    await queue.inference.wait(seed.id);
    const asked = {
      EndpointName: "late",
      InputLocation: seed.outputLocation,
      ContentType: "text/csv",
      Accept: "text/plain",
      CustomAttributes: "trace=1",
      InferenceId: "My-Request/1",
      RequestTTLSeconds: 600,
      InvocationTimeoutSeconds: 30,
    };
    const answer = await client.send(new InvokeEndpointAsyncCommand(asked));
    expect(answer.$metadata.httpStatusCode).toBe(202);
    expect(answer.InferenceId).toBe("My-Request/1");
    const job = await queue.inference.wait("My-Request/1");
    expect(job).toMatchObject({
      state: "completed",
      timeoutMs: 30_000,
      outputLocation: answer.OutputLocation,
      failureLocation: answer.FailureLocation,
    });
    expect(job.expiresMs - job.submittedMs).toBe(600_000);
    const result = await textOf(queue.inference.result(job.id));
    expect(result).toBe("text/csv text/plain trace=1 application/json null null 1,2,3");
    const path = `${endpoint}/endpoints/late/async-invocations`;
    const inline = await fetch(path, { method: "POST", body: "{}", headers: { "content-type": "application/json" } });
    expect(inline.status).toBe(202);
    const { InferenceId } = (await inline.json()) as { readonly InferenceId: string };
    expect(await (await fetch(`${path}/${InferenceId}`)).json()).toMatchObject({ id: InferenceId, endpoint: "late" });
    const wrong = await fetch(path, {
      method: "POST",
      body: "{}",
      headers: { "x-amzn-sagemaker-requestttlseconds": "soon" },
    });
    expect([wrong.status, await wrong.json()]).toMatchObject([400, { code: "SERVING_ASYNC_INVALID" }]);
    await expect(
      client.send(new InvokeEndpointAsyncCommand({ ...asked, EndpointName: "other" })),
    ).rejects.toMatchObject({
      $metadata: { httpStatusCode: 404 },
    });
  } finally {
    client.destroy();
    http.close();
  }
});

test("payloads in a bucket: large ones in parts, moved to their place, and moved once more without harm", async () => {
  const client = fakeS3({ clock: systemClock });
  const payloads = createS3Payloads({ client, bucket: "out", prefix: "async/", partBytes: 5 << 20 });
  const body = new Uint8Array(12 << 20).map((_, at) => at % 251);
  async function* pieces(): AsyncGenerator<Uint8Array, void> {
    for (let at = 0; at < body.length; at += 1_000_000) yield body.subarray(at, at + 1_000_000);
  }
  const [staged, place] = [payloads.locationOf("late/1.staged"), payloads.locationOf("late/1.out")];
  expect(place).toBe("s3://out/async/late/1.out");
  expect(await payloads.write(staged, pieces())).toBe(body.length);
  await payloads.move(staged, place);
  await payloads.move(staged, place);
  let at = 0;
  for await (const part of payloads.open(place)) {
    expect(Buffer.compare(part, body.subarray(at, at + part.length))).toBe(0);
    at += part.length;
  }
  expect(at).toBe(body.length);
  await expect(textOf(payloads.open(staged))).rejects.toMatchObject({ code: "SERVING_ASYNC_INPUT_MISSING" });
});
