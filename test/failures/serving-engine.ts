import * as serving from "../../packages/serving/dist/index.js";
import { type Subjects, well } from "./subjects.ts";

/** What serving exports of admission and availability. */
export const engineSubjects: Subjects = {
  availabilityOf: well(serving.availabilityOf, () => [[{ name: "a", traffic: 1, total: 10, good: 9 }]]),
  clientAvailability: well(serving.clientAvailability, () => [
    [{ unit: "a", status: 200, latencyMs: 3 }],
    { latencyObjectiveMs: 10, traffic: { a: 1 } },
  ]),
};
