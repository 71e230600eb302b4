// Fits twice; prints processor time of each fit, from columns in memory to trees, and the answers to the held-out rows.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fitGbdt } from "../../../packages/algorithms/dist/index.js";
import { batchOf, datasetOf } from "../../../packages/data/dist/index.js";
import { compileTrees } from "../../../packages/model/dist/index.js";

const [, , folder, rows, threads] = process.argv;
const read = (name, count) => {
  const bytes = readFileSync(join(folder, name));
  const all = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  return Array.from({ length: 21 }, (_, column) => all.subarray(column * count, (column + 1) * count));
};
const train = read("train.bin", Number(rows));
const dataset = datasetOf([batchOf(Object.fromEntries(train.map((values, index) => [`c${index}`, values])))]);
const cpuMs = [];
const wallMs = [];
let fitted;
for (let time = 0; time < 2; time += 1) {
  const start = process.cpuUsage();
  const startMs = performance.now();
  fitted = await fitGbdt(dataset, {
    label: "c20",
    task: "binary",
    trees: 100,
    learningRate: 0.1,
    maxLeaves: 31,
    threads: Number(threads),
  });
  wallMs.push(performance.now() - startMs);
  const { user, system } = process.cpuUsage(start);
  cpuMs.push((user + system) / 1000);
}
const answers = new Float64Array(20_000);
compileTrees(fitted.model).predict(read("test.bin", 20_000).slice(0, 20), answers);
console.log(JSON.stringify({ version: process.version, cpuMs, wallMs, answers: [...answers] }));
