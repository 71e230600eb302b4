// Prints random points of every task and what the referee makes of them, a JSON object a line, for peers/check_functions.py.
//   node benchmarks/tuner/points.mjs [points]
import { seedOf, uniforms } from "./streams.mjs";
import { drawParams } from "./tasks-continuous.mjs";
import { tasksOf } from "./tasks.mjs";

const count = Number(process.argv[2] ?? 1000);

for (const task of tasksOf(["C", "M", "F", "O"], "both")) {
  const uniform = uniforms(seedOf(task.id, "points"));
  const { id, group, space, optimum, optimumAt, epochs } = task;
  const points = Array.from({ length: count }, () => {
    const params = drawParams(space, uniform);
    const epoch = epochs === undefined ? undefined : 1 + Math.floor(uniform() * epochs);
    return { params, epoch, value: epoch === undefined ? task.evaluate(params) : task.curve(params)(epoch) };
  });
  console.log(JSON.stringify({ id, group, space, optimum, optimumAt, epochs, points }));
}
