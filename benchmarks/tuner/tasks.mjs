// All tasks. A third of each group but T is held out: it is run only when asked for, reported apart, and nobody develops on it.
import { mixed } from "./tasks-conditional.mjs";
import { continuous, noisy, parallel } from "./tasks-continuous.mjs";
import { curves } from "./tasks-curves.mjs";
import { objectives } from "./tasks-objectives.mjs";
import { tables } from "./tasks-tables.mjs";

export const tasks = [...continuous, ...mixed, ...noisy, ...curves, ...parallel, ...objectives, ...tables];

/** @param heldOut Which side of the split: only those held out, or (the default) only the others; "both" for both. */
export const tasksOf = (groups, heldOut = false) =>
  tasks.filter((task) => groups.includes(task.group) && (heldOut === "both" || task.heldOut === heldOut));
