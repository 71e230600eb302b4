import * as deployments from "../../packages/monitor/dist/deployments.js";
import { openMonitor } from "../../packages/monitor/dist/index.js";
import { type Subjects, well } from "./subjects.ts";

const watched = openMonitor();
const side = watched.read("late", "main");

export const deploymentSubjects: Subjects = {
  compareDeployment: well(deployments.compareDeployment, () => [side, side, { minimumSamples: 5, confidence: 0.9 }], {
    MONITOR_RULE_INVALID: () => deployments.compareDeployment(side, side, { confidence: 7 }),
  }),
};
