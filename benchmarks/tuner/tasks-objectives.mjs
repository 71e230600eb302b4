// Group O: several objectives, all minimised; judged by the hypervolume that the evaluated points dominate.
import { dtlz2, zdt } from "./functions.mjs";
import { floats } from "./tasks-continuous.mjs";

const list = (count) => (params) => Array.from({ length: count }, (_, index) => params[`x${index}`]);

/** `reference` was chosen before any optimiser ran: just beyond the front in the first objective, and where good random points begin to count in the second. */
const zdtTask = (number, dimensions, reference, space = floats(dimensions, 0, 1)) => ({
  id: `zdt${number}`,
  space,
  objectives: 2,
  reference,
  evaluate: (params) => zdt[number](list(dimensions)(params)),
});

export const objectives = [
  zdtTask(1, 12, [1.1, 4]),
  zdtTask(2, 12, [1.1, 5]),
  { ...zdtTask(3, 12, [1.1, 4]), heldOut: true },
  zdtTask(4, 6, [1.1, 60], { x0: { kind: "float", low: 0, high: 1 }, ...floatsFrom(1, 6, -5, 5) }),
  { ...zdtTask(6, 10, [1.1, 8]), heldOut: true },
  {
    id: "dtlz2",
    space: floats(8, 0, 1),
    objectives: 3,
    reference: [1.5, 1.5, 1.5],
    evaluate: (params) => dtlz2(list(8)(params), 3),
  },
].map((task) => ({ group: "O", heldOut: false, ...task }));

function floatsFrom(first, count, low, high) {
  return Object.fromEntries(Object.entries(floats(count, low, high)).slice(first));
}

/** The volume between the points and the reference, of two or three objectives; points that do not dominate the reference add nothing. */
export function hypervolume(points, reference) {
  const inside = points.filter((point) => point.every((value, index) => value < reference[index]));
  if (reference.length === 2) return area(inside, reference);
  // Slabs along the last objective, from the best to the reference.
  const sorted = inside.toSorted((a, b) => a[2] - b[2]);
  return sorted.reduce((volume, point, index) => {
    const next = sorted[index + 1]?.[2] ?? reference[2];
    return next === point[2] ? volume : volume + (next - point[2]) * area(sorted.slice(0, index + 1), reference);
  }, 0);
}

function area(points, [right, top]) {
  let covered = 0;
  let height = top;
  for (const [x, y] of points.toSorted((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (y >= height) continue;
    covered += (right - x) * (height - y);
    height = y;
  }
  return covered;
}
