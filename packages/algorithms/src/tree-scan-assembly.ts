import {
  type Code,
  type Locals,
  type Routine,
  block,
  by,
  f64,
  get,
  i32,
  int,
  leaveIf,
  loop,
  pair,
  set,
  step,
} from "./assembler.ts";

/** left += the bin's sums; rows += its count; right = node − left. */
const takeBin = (local: Locals): Code => [
  ...get(local, "left", "sums"),
  ...pair.load,
  ...pair.add,
  ...set(local, "left"),
  ...get(local, "rows", "counts"),
  ...i32.load,
  ...by(local, "count").tee,
  ...i32.add,
  ...set(local, "rows"),
  ...get(local, "node", "left"),
  ...pair.subtract,
  ...set(local, "right"),
];

/** score = left² / (its curvature + l2) + right² / (its curvature + l2) */
const score = (local: Locals): Code => [
  ...get(local, "left", "right"),
  ...pair.gather(0),
  ...by(local, "ratio").tee,
  ...get(local, "ratio"),
  ...pair.multiply,
  ...get(local, "left", "right"),
  ...pair.gather(1),
  ...get(local, "l2"),
  ...pair.splat,
  ...pair.add,
  ...pair.divide,
  ...by(local, "ratio").tee,
  ...pair.lane(0),
  ...get(local, "ratio"),
  ...pair.lane(1),
  ...f64.add,
  ...set(local, "score"),
];

/** Whether the bin can be the last on the left: `leave(0)` goes on with the next one, `leave(2)` ends the loop, since what is left for the right only shrinks. */
const judgeBin = (local: Locals): Code => [
  ...get(local, "rows", "minRows"),
  ...i32.less,
  ...leaveIf(0),
  ...get(local, "left"),
  ...pair.lane(1),
  ...get(local, "minHessian"),
  ...f64.less,
  ...leaveIf(0),
  ...get(local, "nodeRows", "rows"),
  ...i32.subtract,
  ...get(local, "minRows"),
  ...i32.less,
  ...leaveIf(2),
  ...get(local, "right"),
  ...pair.lane(1),
  ...get(local, "minHessian"),
  ...f64.less,
  ...leaveIf(2),
  ...get(local, "count"),
  ...i32.isZero,
  ...leaveIf(0),
];

/** The bin is the best so far: writes to `found`. */
const keepBin = (local: Locals): Code => [
  ...get(local, "score"),
  ...set(local, "best"),
  ...get(local, "counts"),
  ...set(local, "bin"),
  ...get(local, "found", "left"),
  ...pair.store,
  ...get(local, "found"),
  ...int(16),
  ...i32.add,
  ...get(local, "score"),
  ...f64.store,
  ...get(local, "found"),
  ...int(24),
  ...i32.add,
  ...get(local, "rows"),
  ...f64.convert,
  ...f64.store,
];

/** into = (gradient, hessian) */
const joined = (local: Locals, gradient: string, hessian: string, into: string): Code => [
  ...get(local, gradient),
  ...pair.splat,
  ...get(local, hessian),
  ...pair.replace(1),
  ...set(local, into),
];

/**
 * Looks through bins from `counts` to `last`, addresses, for the best place to split. `gradient`, `hessian` and `rows` are what is on the left before the
 * first. Writes to `found`, where a score is above `best`: the left side's gradient and curvature, the score, its rows. @returns the address in `counts` of
 * the last bin on the left, or 0.
 */
export const scan: Routine = {
  name: "scan",
  parameters: {
    sums: "i32",
    counts: "i32",
    last: "i32",
    gradient: "f64",
    hessian: "f64",
    rows: "i32",
    nodeGradient: "f64",
    nodeHessian: "f64",
    nodeRows: "i32",
    l2: "f64",
    minRows: "i32",
    minHessian: "f64",
    best: "f64",
    found: "i32",
  },
  locals: { left: "v128", right: "v128", node: "v128", ratio: "v128", score: "f64", count: "i32", bin: "i32" },
  result: "i32",
  body: (local) => [
    ...joined(local, "gradient", "hessian", "left"),
    ...joined(local, "nodeGradient", "nodeHessian", "node"),
    ...loop(
      [...get(local, "counts", "last"), ...i32.less],
      [
        ...takeBin(local),
        ...block([
          ...judgeBin(local),
          ...score(local),
          ...get(local, "score", "best"),
          ...f64.greater,
          ...i32.isZero,
          ...leaveIf(0),
          ...keepBin(local),
        ]),
        ...step(by(local, "sums"), 16),
        ...step(by(local, "counts"), 4),
      ],
    ),
    ...get(local, "bin"),
  ],
};
