import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toJsonRows } from "@millwright/data";
import { readFlowers, species } from "./flowers.ts";
import { RefusedError } from "./http.ts";
import { OpenInferenceClient } from "./open-inference-client.ts";
import { startServer } from "./own-server.ts";
import { askAbout } from "./questions.ts";
import { askTyped } from "./typed.ts";
import { V1Client } from "./v1-client.ts";

const model = process.argv[3] ?? process.env["KSERVE_MODEL"] ?? "iris";
const given = process.argv[2] ?? process.env["KSERVE_URL"];
if (given !== undefined) await ask(given);
else {
  const folder = await mkdtemp(join(tmpdir(), "kserve-client-"));
  const server = await startServer(folder);
  try {
    await ask(server.url);
  } finally {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function ask(url: string): Promise<void> {
  const client = new OpenInferenceClient(url);
  const { name, version, extensions } = await client.server();
  console.log(`server: ${name} ${version}; extensions: ${extensions.join(", ")}`);
  console.log(
    `live: ${await client.isLive()}; ready: ${await client.isReady()}; ${model} ready: ${await client.isReady(model)}`,
  );
  const { platform, inputs, outputs } = await client.metadata(model);
  const shown = (tensors: typeof inputs): string =>
    tensors.map((each) => `${each.name} ${each.datatype} [${each.shape.join(", ")}]`).join("; ");
  console.log(`${model} (${platform}): ${shown(inputs)} -> ${shown(outputs)}`);

  // The flowers that the model has not seen.
  const flowers = toJsonRows((await readFlowers()).test) as readonly Readonly<Record<string, number>>[];
  const { tensors, instances } = askAbout(inputs, flowers);
  const told = (protocol: string, answers: readonly number[]): void => {
    const right = flowers.filter((flower, row) => flower["species"] === answers[row]).length;
    console.log(
      `${protocol}: ${right} of ${flowers.length} flowers are named right; the first is ${species[answers[0] ?? -1]}`,
    );
  };
  for (const [protocol, infer] of [
    ["v2 JSON", client.infer.bind(client)],
    ["v2 binary", client.inferBinary.bind(client)],
  ] as const) {
    if (protocol === "v2 binary" && !extensions.includes("binary_tensor_data")) {
      console.log(`${protocol}: not spoken here`);
      continue;
    }
    const [output] = await infer(model, tensors);
    const width = (output?.data.length ?? 0) / flowers.length;
    told(
      protocol,
      flowers.map((_, row) => classOf(output?.data.slice(row * width, (row + 1) * width))),
    );
  }

  const first = new V1Client(url);
  if (await first.isReady(model)) told("v1", (await first.predict(model, instances)).map(classOf));
  else console.log("v1: not spoken here");
  const { answers, told: said } = await askTyped(url, model, flowers);
  if (answers !== undefined) told("typed", answers.map(classOf));
  console.log(said);
  try {
    await client.metadata("no-such-model");
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    console.log(`a model that is not there: ${error.status}`);
  }
}

/** The class of the largest score, or the class itself where the model says it. */
function classOf(answer: unknown): number {
  const scores = [answer].flat(8).map(Number);
  return scores.length === 1 ? (scores[0] ?? Number.NaN) : scores.indexOf(Math.max(...scores));
}
