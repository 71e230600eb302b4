import {
  type JobHistory,
  type JobState,
  assertJobTransition,
  createRandom,
  currentJobState,
  isFinalJobState,
  jobTransitions,
  nextJobState,
  parseJobHistory,
  sageMakerJobStatus,
  startJobHistory,
} from "@millwright/contracts";
import { describe, expect, test } from "vitest";

const states = Object.keys(jobTransitions) as JobState[];
const illegal = expect.objectContaining({ code: "PORT_TRANSITION_ILLEGAL" }) as never;

describe("the states of a job", () => {
  test("random sequences of states never make an illegal step, and the history keeps every legal one with its time", () => {
    const random = createRandom(5);
    for (let round = 0; round < 300; round += 1) {
      let history: JobHistory = startJobHistory(0);
      const made: JobState[] = ["pending"];
      for (let step = 1; step <= 30; step += 1) {
        const from = currentJobState(history);
        const to = states[random.integer(states.length)] as JobState;
        const before = structuredClone(history);
        const given = history;
        if (jobTransitions[from].includes(to)) {
          history = nextJobState(history, to, step, `step ${step}`);
          made.push(to);
          expect(history.at(-1)).toEqual({ state: to, timeMs: step, reason: `step ${step}` });
        } else {
          expect(() => nextJobState(given, to, step)).toThrow(illegal);
        }
        expect(given).toEqual(before);
      }
      expect(history.map(({ state }) => state)).toEqual(made);
      for (const [index, { state }] of history.entries()) {
        const next = history[index + 1];
        if (next !== undefined) expect(jobTransitions[state]).toContain(next.state);
      }
      expect(parseJobHistory(JSON.parse(JSON.stringify(history)))).toEqual(history);
    }
  });

  test("the table holds: whole runs, interruptions, and every way to end", () => {
    const walks: readonly (readonly JobState[])[] = [
      ["pending", "starting", "downloading", "training", "uploading", "completed"],
      ["pending", "starting", "training", "completed"],
      [
        "pending",
        "starting",
        "training",
        "interrupted",
        "starting",
        "downloading",
        "training",
        "uploading",
        "completed",
      ],
      ["pending", "max-wait-time-exceeded"],
      ["pending", "stopped"],
      ["pending", "starting", "training", "stopping", "stopped"],
      ["pending", "starting", "downloading", "max-runtime-exceeded"],
      ["pending", "starting", "interrupted", "failed"],
    ];
    for (const [first, ...rest] of walks) {
      let state = first as JobState;
      for (const next of rest) {
        assertJobTransition(state, next);
        state = next;
      }
      expect(isFinalJobState(state)).toBe(true);
    }
    const refused: readonly (readonly [JobState, JobState])[] = [
      ["training", "downloading"],
      ["uploading", "training"],
      ["pending", "completed"],
      ["stopping", "training"],
      ["training", "training"],
      ...states.flatMap((to) => (["completed", "failed", "stopped"] as const).map((from) => [from, to] as const)),
    ];
    for (const [from, to] of refused) expect(() => assertJobTransition(from, to)).toThrow(illegal);
    expect(() => assertJobTransition("completed", "training", 'The job "late"')).toThrow(
      'The job "late" cannot go from completed to training. completed is final.',
    );
  });

  test("every state can be reached, and from every state a job can end", () => {
    const reached = new Set<JobState>(["pending"]);
    for (const state of reached) for (const next of jobTransitions[state]) reached.add(next);
    expect([...reached].toSorted()).toEqual(states.toSorted());
    for (const state of states) {
      const from = new Set<JobState>([state]);
      for (const member of from) for (const next of jobTransitions[member]) from.add(next);
      expect([...from].some(isFinalJobState)).toBe(true);
    }
  });

  test("each is a primary and a secondary status of SageMaker", () => {
    expect(sageMakerJobStatus("training")).toEqual({ primary: "InProgress", secondary: "Training" });
    expect(sageMakerJobStatus("max-wait-time-exceeded")).toEqual({
      primary: "Stopped",
      secondary: "MaxWaitTimeExceeded",
    });
    expect(new Set(states.map((state) => sageMakerJobStatus(state).secondary)).size).toBe(states.length);
    for (const state of states) {
      expect(["Completed", "Failed", "Stopped"].includes(sageMakerJobStatus(state).primary)).toBe(
        isFinalJobState(state),
      );
    }
  });
});
