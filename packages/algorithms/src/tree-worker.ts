import { workerData } from "node:worker_threads";
import { instantiate } from "./assembler.ts";
import type { TreeRoutines } from "./tree-assembly.ts";
import { type TeamData, workInTeam } from "./tree-team.ts";

const team = workerData as TeamData;
workInTeam(team, instantiate(team.module, team.memory) as unknown as TreeRoutines);
