import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { MillwrightEvent } from "@millwright/contracts";
import { type Database, openSqlite, openEventLog } from "@millwright/storage";
import { expect } from "vitest";

/** Every event of a log, in order. */
export async function readAll(database: Database): Promise<readonly MillwrightEvent[]> {
  const events: MillwrightEvent[] = [];
  for await (const { event } of openEventLog(database).read()) events.push(event);
  return events;
}

/** The event and what caused it, the first cause last. Fails where a cause is not an earlier event of the log. */
export function causesOf(
  events: readonly MillwrightEvent[],
  last: MillwrightEvent | undefined,
): readonly MillwrightEvent[] {
  const chain: MillwrightEvent[] = [];
  for (let event = last; event !== undefined;) {
    chain.push(event);
    const { causationid } = event;
    event = events.slice(0, events.indexOf(event)).find(({ id }) => id === causationid);
    expect(event === undefined, `the cause of ${chain.at(-1)?.type}`).toBe(causationid === undefined);
  }
  return chain;
}

interface State {
  readonly kind: string;
  readonly state: string;
  readonly timeMs: number;
}

/** The states of each job that the folder keeps, as they lie on the disk: asking for a job that was interrupted would start it again. */
async function statesOnDisk(directory: string): Promise<ReadonlyMap<string, readonly State[]>> {
  const entries = (await readdir(directory, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const jobs = entries.map(async ({ name }) => {
    const { spec } = JSON.parse(await readFile(join(directory, name, "spec.json"), "utf8")) as { spec: { id: string } };
    const lines = (await readFile(join(directory, name, "state.ndjson"), "utf8")).split("\n").slice(0, -1);
    const states = lines.map((line) => JSON.parse(line) as State).filter(({ kind }) => kind === "state");
    return [spec.id, states] as const;
  });
  return new Map(await Promise.all(jobs));
}

/** However often the run was stopped: each state of each job was told once, each trial's story is whole, and every cause came before. */
export async function expectToldOnce(folder: string): Promise<void> {
  await using database = await openSqlite(join(folder, "millwright.db"));
  const events = await readAll(database);
  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  for (const event of events) causesOf(events, event);
  const told = events.filter(({ type }) => type === "job.state-changed");
  const jobs = await statesOnDisk(join(folder, "jobs"));
  expect(jobs.size).toBeGreaterThan(0);
  for (const [id, states] of jobs) {
    const ofJob = told.filter(({ subject }) => subject === id);
    expect(ofJob.map(({ data }) => [data["number"], data["state"], data["timeMs"]])).toEqual(
      states.map(({ state, timeMs }, number) => [number, state, timeMs]),
    );
  }
  expect(told).toHaveLength([...jobs.values()].reduce((sum, { length }) => sum + length, 0));
  const trials = events.filter(({ type }) => type.startsWith("trial."));
  for (const subject of new Set(trials.map((event) => event.subject))) {
    const story = trials.filter((event) => event.subject === subject).map(({ type }) => type.slice("trial.".length));
    expect(story.join(" "), subject).toMatch(/^started( paused resumed)* (completed|pruned|failed)$/);
  }
}
