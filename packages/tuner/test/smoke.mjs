// A small action on every supported Node: a study finds a better trial than a bad one.
import assert from "node:assert/strict";
import { float, openStudy } from "@millwright/tuner";

const study = await openStudy({ name: "smoke", space: { x: float(-1, 1) }, direction: "minimize", seed: 7 });
await study.optimize(({ params }) => Promise.resolve((params.x - 0.5) ** 2), { trials: 20 });
const best = await study.best();
assert.ok(Math.abs(best.params.x - 0.5) < 0.2, `x is ${best.params.x}`);
await study[Symbol.asyncDispose]();
