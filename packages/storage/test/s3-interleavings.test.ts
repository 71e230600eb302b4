import { type Clock, type Digest } from "@millwright/contracts";
import type { ResumableArtifactStore } from "@millwright/storage";
import { openS3ArtifactStore } from "@millwright/storage/drivers/s3";
import { expect, test } from "vitest";
import { fakeS3 } from "./fake-s3.ts";

type Actor = (store: ResumableArtifactStore, digest: Digest) => Promise<boolean>;

const bytes = Buffer.from("old");
const oldMs = 1_700_000_000_000;
const nowMs = oldMs + 3_600_000;
const beforeMs = oldMs + 1_800_000;

/** Beyond this many requests nobody is chosen any more: they take turns. */
const chosenSteps = 22;

interface Run {
  readonly options: readonly number[];
  readonly taken: readonly number[];
  /** What each actor said, and whether the artifact is there in the end. */
  readonly said: readonly boolean[];
  readonly there: boolean;
}

const passed = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs the actors against one server, their requests in the order of the choices: whose is next. */
async function runInOrder(actors: readonly Actor[], choices: readonly number[]): Promise<Run> {
  let time = oldMs;
  const clock: Clock = { nowMs: () => time, monotonicMs: () => 0, sleep: () => Promise.resolve() };
  const server = fakeS3({ clock });
  const { digest } = await openS3ArtifactStore({ client: server, bucket: "b", clock }).put(bytes);
  time = nowMs;
  const waiting = new Map<number, () => void>();
  const live = new Set(actors.keys());
  const running = actors.map(async (actor, index) => {
    let isBefore = false;
    const turns = async (): Promise<void> => {
      isBefore = !isBefore;
      if (isBefore) await new Promise<void>((resolve) => waiting.set(index, resolve));
    };
    try {
      return await actor(openS3ArtifactStore({ client: fakeS3({ clock, turns, server }), bucket: "b", clock }), digest);
    } finally {
      live.delete(index);
    }
  });
  const [options, taken]: [number[], number[]] = [[], []];
  for (;;) {
    while (waiting.size < live.size) await passed();
    if (live.size === 0) break;
    const ready = [...waiting.keys()].toSorted((a, b) => a - b);
    const choice = choices[taken.length] ?? (taken.length < chosenSteps ? 0 : taken.length % ready.length);
    options.push(ready.length);
    taken.push(choice);
    const next = ready[choice] as number;
    const go = waiting.get(next);
    waiting.delete(next);
    go?.();
    await passed();
  }
  const said = await Promise.all(running);
  return { options, taken, said, there: server.objects.has(`sha256/${digest.slice(7, 9)}/${digest.slice(9)}`) };
}

/** Every order of the requests, depth first. */
async function everyOrder(actors: readonly Actor[], check: (run: Run) => void, most: number): Promise<number> {
  let choices: number[] = [];
  for (let runs = 1; ; runs += 1) {
    const run = await runInOrder(actors, choices);
    check(run);
    let last = Math.min(run.taken.length, chosenSteps) - 1;
    while (last >= 0 && (run.taken[last] as number) + 1 >= (run.options[last] as number)) last -= 1;
    if (last < 0 || runs >= most) return runs;
    choices = [...run.taken.slice(0, last), (run.taken[last] as number) + 1];
  }
}

const put: Actor = async (store) => (await store.put(bytes)).sizeBytes === bytes.length;
const touch: Actor = (store, digest) => store.touch(digest);
const collect: Actor = (store, digest) => store.deleteOlder(digest, beforeMs);

test("MR-6: in every order of the requests of a put and of a deletion the artifact is there after the put", async () => {
  let deletions = 0;
  const runs = await everyOrder(
    [put, collect],
    ({ said, there }) => {
      expect(said[0]).toBe(true);
      expect(there).toBe(true);
      if (said[1] === true) deletions += 1;
    },
    5000,
  );
  expect(runs).toBeGreaterThan(50);
  expect(deletions).toBeGreaterThan(5);
  expect(deletions).toBeLessThan(runs);
});

test("MR-6: in every order of the requests of a touch and of a deletion the artifact is there where the touch says so", async () => {
  const outcomes = new Set<string>();
  const runs = await everyOrder(
    [touch, collect],
    ({ said, there }) => {
      if (said[0] === true) expect(there).toBe(true);
      outcomes.add(`${said.join()} ${there}`);
    },
    5000,
  );
  expect(runs).toBeGreaterThan(50);
  expect(outcomes).toEqual(new Set(["true,false true", "false,true false"]));
});

test("two deletions beside a put delete the artifact once at most, and never what was put", async () => {
  await everyOrder(
    [collect, put, collect],
    ({ said, there }) => {
      expect(there).toBe(true);
      expect(said.filter((each, index) => index !== 1 && each).length).toBeLessThanOrEqual(1);
    },
    3000,
  );
});
