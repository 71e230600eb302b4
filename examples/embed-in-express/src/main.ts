import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toJsonRows } from "@millwright/data";
import { createApplication } from "./application.ts";
import { measures, readFlowers, species } from "./flowers.ts";
import { trainModel } from "./train.ts";

const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), "embed-in-express-")));
const key = process.env["GREENHOUSE_KEY"] ?? "greenhouse-key-for-this-example";
const { train, test } = await readFlowers();
await trainModel(folder, train);

const { app, server, log } = await createApplication(folder, key);
const listening = app.listen(Number(process.env["PORT"] ?? 0), "127.0.0.1");
await new Promise((resolve) => listening.once("listening", resolve));
const address = listening.address();
const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;

// A client, over HTTP: the flowers that the model has not seen, as CSV.
const rows = toJsonRows(test) as readonly Readonly<Record<string, number>>[];
const csv = [measures.join(","), ...rows.map((row) => measures.map((name) => row[name]).join(","))].join("\n");
const ask = (headers: Record<string, string>): Promise<Response> =>
  fetch(`${url}/ml/invocations`, {
    method: "POST",
    headers: { "content-type": "text/csv; header=present", accept: "application/json", ...headers },
    body: csv,
  });
const answer = await ask({ "x-api-key": key });
const { predictions } = (await answer.json()) as { readonly predictions: readonly (readonly number[])[] };
const right = predictions.filter((each, row) => each.indexOf(Math.max(...each)) === rows[row]?.["species"]).length;
console.log(`${right} of ${rows.length} flowers are named right by ${answer.headers.get("x-millwright-model")}`);
console.log("without a key:", (await ask({})).status);

const [first] = rows;
const own = await fetch(`${url}/flowers`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(Object.fromEntries(measures.map((name) => [name, first?.[name]]))),
});
const { probabilities } = (await own.json()) as { readonly probabilities: readonly number[] };
console.log("the application's own route:", species[probabilities.indexOf(Math.max(...probabilities))]);
for (const line of log) console.log("log:", line);

if (process.env["PORT"] === undefined) {
  listening.close();
  await server.drain();
} else console.log(`listening on ${url}; the model is at /ml`);
