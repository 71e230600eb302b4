// Contributions of trees by @millwright/model/explain: prints times, and writes millwright.bin.
import { readFileSync, writeFileSync } from "node:fs";
import { compileTreeExplainer } from "../../../packages/model/dist/explain.js";

const folder = process.argv[2];
const model = JSON.parse(readFileSync(`${folder}/trees.json`, "utf8"));
const width = model.features.length;
const bytes = readFileSync(`${folder}/rows.bin`);
const cells = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const rows = cells.length / width;
const columns = Array.from({ length: width }, (_, at) =>
  Float64Array.from({ length: rows }, (_each, row) => cells[row * width + at]),
);
const explainer = compileTreeExplainer(model);
const first = (count) => columns.map((column) => column.subarray(0, count));
explainer.explain(first(20), new Float64Array(20 * width));
const told = new Float64Array(rows * width);
const cpuUs = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
let start = cpuUs();
explainer.explain(columns, told);
const batchUs = (cpuUs() - start) / rows;
const singles = Array.from({ length: rows }, (_, row) => columns.map((column) => column.subarray(row, row + 1)));
const one = new Float64Array(width);
let count = 0;
for (start = cpuUs(); cpuUs() - start < 1e6; count += 1) explainer.explain(singles[count % rows], one);
const singleUs = (cpuUs() - start) / count;
writeFileSync(`${folder}/millwright.bin`, Buffer.from(told.buffer));
console.log(JSON.stringify({ batchUs, singleUs, version: `node ${process.version}` }));
