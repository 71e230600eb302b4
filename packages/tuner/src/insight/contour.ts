import { createEncoding } from "../samplers/encoding.ts";
import type { Params, Space } from "../space.ts";
import { type ContourPlot, axisOf, axisValue } from "./plots.ts";
import { type StudyRecord, scoredTrials } from "./record.ts";

const cellsAcross = 24;

/** The objective over the plane of two parameters. Throws RangeError for parameters that are not in the space, or are lists. */
export function contourPlot(record: StudyRecord, first: string, second: string, objective = 0): ContourPlot {
  const plane = planeOf(record.space, first, second);
  const { encode } = createEncoding(plane);
  const points = scoredTrials(record, objective).flatMap(({ trial, value }) => {
    const [x, y] = [axisValue(trial.params[first]), axisValue(trial.params[second])];
    if (x === undefined || y === undefined || !Number.isFinite(value)) return [];
    return [{ trial: trial.number, x, y, value, at: encode(onlyThose(trial.params, first, second)) }];
  });
  return {
    kind: "contour",
    x: axisOf(record.space, first),
    y: axisOf(record.space, second),
    points: points.map(({ at: _at, ...point }) => point),
    cells: points.length === 0 ? [] : cellsOf(plane, first, second, points),
  };
}

const onlyThose = (params: Params, first: string, second: string): Params => ({
  [first]: params[first] as Params[string],
  [second]: params[second] as Params[string],
});

/** The two parameters as a space of their own. */
function planeOf(space: Space, ...names: readonly [string, string]): Space {
  for (const name of names) {
    axisOf(space, name);
    const { kind } = space[name] as Space[string];
    if (kind === "permutation" || kind === "subset" || kind === "constant")
      throw new RangeError(`The parameter "${name}" is a ${kind}, which is no axis of a plane.`);
  }
  return Object.fromEntries(
    names.map((name) => {
      const { conditions: _conditions, ...parameter } = space[name] as Space[string];
      return [name, parameter as Space[string]];
    }),
  );
}

interface Placed {
  readonly at: Float64Array;
  readonly value: number;
}

function cellsOf(plane: Space, first: string, second: string, points: readonly Placed[]): ContourPlot["cells"] {
  const { dimensions, decode } = createEncoding(plane);
  // A parameter of one value takes no coordinate.
  const at = (x: number, y: number): readonly number[] =>
    dimensions.map(({ parameter }) => (parameter === first ? x : y));
  const across = (name: string): number =>
    Math.min(dimensions.find(({ parameter }) => parameter === name)?.levels ?? 1, cellsAcross);
  const edges = (name: string, index: number, count: number) => {
    const edge = (coordinate: number) => axisValue(decode(at(coordinate, coordinate))[name]) ?? "";
    return [edge(index / count), edge((index + 1) / count - 1e-9)] as const;
  };
  const [columns, rows] = [across(first), across(second)];
  const cells: ContourPlot["cells"][number][] = [];
  for (let column = 0; column < columns; column += 1)
    for (let row = 0; row < rows; row += 1)
      cells.push({
        x: edges(first, column, columns),
        y: edges(second, row, rows),
        value: shepard(points, at((column + 0.5) / columns, (row + 0.5) / rows)),
      });
  return cells;
}

function shepard(points: readonly Placed[], centre: readonly number[]): number {
  let sum = 0;
  let total = 0;
  for (const { at, value } of points) {
    let distance = 0;
    for (const [index, coordinate] of at.entries()) distance += (coordinate - (centre[index] ?? 0.5)) ** 2;
    const weight = 1 / (distance + 1e-6);
    sum += weight * value;
    total += weight;
  }
  return sum / total;
}
