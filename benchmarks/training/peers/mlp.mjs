// Fits twice; prints processor time of the second fit, and its loss in the last epoch.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fitMlp } from "../../../packages/algorithms/dist/index.js";
import { batchOf, datasetOf } from "../../../packages/data/dist/index.js";

const [, , folder, rows] = process.argv;
const bytes = readFileSync(join(folder, "train.bin"));
const all = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const columns = Array.from({ length: 21 }, (_, at) => all.subarray(at * rows, (at + 1) * rows));
const dataset = datasetOf([batchOf(Object.fromEntries(columns.map((values, at) => [`c${at}`, values])))]);
const options = { label: "c20", task: "binary", hidden: [64, 32], epochs: 10, batchRows: 200, learningRate: 0.001 };
let cpuMs = 0;
let loss = 0;
for (let time = 0; time < 2; time += 1) {
  const start = process.cpuUsage();
  loss = (await fitMlp(dataset, options)).losses.at(-1);
  const { user, system } = process.cpuUsage(start);
  cpuMs = (user + system) / 1000;
}
console.log(JSON.stringify({ version: process.version, cpuMs, loss }));
