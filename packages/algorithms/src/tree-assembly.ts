import {
  type Code,
  type Locals,
  type Routine,
  assemble,
  by,
  copyMemory,
  get,
  i32,
  int,
  loop,
  pair,
  scaled,
  set,
  step,
  subtractQuads,
} from "./assembler.ts";
import { scan } from "./tree-scan-assembly.ts";

/** Where a row's bins begin: four bytes a row. */
const rowBins = (local: Locals): Code => [...get(local, "bins", "place"), ...i32.load, ...scaled(2)];

/** ordered[place] = pairs[order[place]], from `place` to `end`, which are addresses in `order`; `to` is one in `ordered`. */
const gather: Routine = {
  name: "gather",
  parameters: { pairs: "i32", place: "i32", end: "i32", to: "i32" },
  locals: {},
  body: (local) =>
    loop(
      [...get(local, "place", "end"), ...i32.less],
      [
        ...get(local, "to", "pairs", "place"),
        ...i32.load,
        ...scaled(4),
        ...pair.load,
        ...pair.store,
        ...step(by(local, "place"), 4),
        ...step(by(local, "to"), 16),
      ],
    ),
};

/** sums[bin] += the row's gradients; counts[bin] += 1. The bin is on the stack. */
const addTo = (local: Locals, sums: string, counts: string): Code => [
  ...set(local, "bin"),
  ...get(local, sums, "bin"),
  ...scaled(4),
  ...by(local, "at").tee,
  ...get(local, "at"),
  ...pair.load,
  ...get(local, "gradients"),
  ...pair.add,
  ...pair.store,
  ...get(local, counts, "bin"),
  ...scaled(2),
  ...by(local, "at").tee,
  ...get(local, "at"),
  ...i32.load,
  ...int(1),
  ...i32.add,
  ...i32.store,
];

const overRows = (local: Locals, body: Code): Code =>
  loop(
    [...get(local, "place", "end"), ...i32.less],
    [
      ...get(local, "from"),
      ...pair.load,
      ...set(local, "gradients"),
      ...body,
      ...step(by(local, "place"), 4),
      ...step(by(local, "from"), 16),
    ],
  );

const rowsWalked = { place: "i32", end: "i32", from: "i32", bins: "i32" } as const;
const rowLocals = { gradients: "v128", bin: "i32", at: "i32" } as const;
const lanes = [0, 1, 2, 3] as const;

/** Adds rows to the histograms of the four columns that lie side by side from `bins` on: a row's four bins are one 32-bit integer. */
const addFour: Routine = {
  name: "addFour",
  parameters: {
    ...rowsWalked,
    ...Object.fromEntries(lanes.flatMap((lane) => [`sums${lane}`, `counts${lane}`].map((name) => [name, "i32"]))),
  },
  locals: { ...rowLocals, word: "i32" },
  body: (local) =>
    overRows(local, [
      ...rowBins(local),
      ...i32.load,
      ...set(local, "word"),
      ...lanes.flatMap((lane) => [
        ...get(local, "word"),
        ...(lane === 0 ? [] : [...int(lane * 8), ...i32.shiftRight]),
        ...(lane === 3 ? [] : [...int(255), ...i32.and]),
        ...addTo(local, `sums${lane}`, `counts${lane}`),
      ]),
    ]),
};

/** As `addFour` for one of the columns, `bins` being where its first bin lies. */
const addOne: Routine = {
  name: "addOne",
  parameters: { ...rowsWalked, sums: "i32", counts: "i32" },
  locals: rowLocals,
  body: (local) => overRows(local, [...rowBins(local), ...i32.loadByte, ...addTo(local, "sums", "counts")]),
};

/** parent −= child, sixteen bytes at a time: doubles before `middle`, an address of the parent, and integers from there on. */
const subtract: Routine = {
  name: "subtract",
  parameters: { parent: "i32", middle: "i32", end: "i32", child: "i32" },
  locals: {},
  body: (local) =>
    (
      [
        ["middle", pair.subtract],
        ["end", subtractQuads],
      ] as const
    ).flatMap(([until, minus]) =>
      loop(
        [...get(local, "parent", until), ...i32.less],
        [
          ...get(local, "parent", "parent"),
          ...pair.load,
          ...get(local, "child"),
          ...pair.load,
          ...minus,
          ...pair.store,
          ...step(by(local, "parent"), 16),
          ...step(by(local, "child"), 16),
        ],
      ),
    ),
};

/** Parts the rows from `place` to `end` by what `isLeft` says of their bins. @returns the address where the right side begins. */
const part: Routine = {
  name: "part",
  parameters: { place: "i32", end: "i32", bins: "i32", isLeft: "i32", spare: "i32" },
  locals: { left: "i32", right: "i32", row: "i32", goes: "i32" },
  result: "i32",
  body: (local) => [
    ...get(local, "place"),
    ...set(local, "left"),
    ...get(local, "spare"),
    ...set(local, "right"),
    ...loop(
      [...get(local, "place", "end"), ...i32.less],
      [
        ...get(local, "place"),
        ...i32.load,
        ...set(local, "row"),
        ...get(local, "isLeft", "bins", "row"),
        ...scaled(2),
        ...i32.loadByte,
        ...i32.add,
        ...i32.loadByte,
        ...int(2),
        ...i32.shiftLeft,
        ...set(local, "goes"),
        ...get(local, "left", "row"),
        ...i32.store,
        ...get(local, "right", "row"),
        ...i32.store,
        ...get(local, "left", "goes"),
        ...i32.add,
        ...set(local, "left"),
        ...get(local, "right"),
        ...int(4),
        ...i32.add,
        ...get(local, "goes"),
        ...i32.subtract,
        ...set(local, "right"),
        ...step(by(local, "place"), 4),
      ],
    ),
    ...get(local, "left", "spare", "right", "spare"),
    ...i32.subtract,
    ...copyMemory,
    ...get(local, "left"),
  ],
};

/** The assembled functions; addresses are in bytes. What each does in plain TypeScript stands in tree-kernel.ts, and gives the same bits. */
export interface TreeRoutines {
  readonly gather: (pairs: number, place: number, end: number, to: number) => void;
  readonly addFour: (place: number, end: number, from: number, bins: number, ...parts: number[]) => void;
  readonly addOne: (place: number, end: number, from: number, bins: number, sums: number, counts: number) => void;
  readonly subtract: (parent: number, middle: number, end: number, child: number) => void;
  readonly part: (place: number, end: number, bins: number, isLeft: number, spare: number) => number;
  readonly scan: (...numbers: number[]) => number;
}

let assembled: object | undefined;

/** The module, assembled once; undefined where this engine has no WebAssembly with vectors and threads. */
export function treeModule(): object | undefined {
  assembled ??= assemble([gather, addFour, addOne, subtract, part, scan]);
  return assembled;
}
