import { expect } from "vitest";
import { openEventLog } from "@millwright/storage";
import { postgresEngine } from "../../storage/test/engines.ts";
import { openQueue, textOf } from "./async-queue.ts";

// The server's programs are looked for as MILLWRIGHT_POSTGRES says.
const engine = postgresEngine();

engine.test(
  "SV-31: on PostgreSQL workers of several connections take each request once, and end it with one event",
  async () => {
    const place = await engine.makePlace();
    await using database = await place.open();
    await using second = await place.open();
    const began: string[] = [];
    const target = async (request: Request): Promise<Response> => {
      const body = await request.text();
      began.push(body);
      return new Response(`echo ${body}`);
    };
    await using queue = await openQueue({ target, maxConcurrent: 3 }, { database });
    const other = await queue.another({ target, maxConcurrent: 3 }, { database: second });
    const jobs = await Promise.all(
      Array.from({ length: 40 }, (_, at) => [queue.inference, other][at % 2]!.submit("late", { body: String(at) })),
    );
    for (const [at, { id }] of jobs.entries()) {
      expect(await other.wait(id)).toMatchObject({ state: "completed", attempts: 1 });
      expect(await textOf(other.result(id))).toBe(`echo ${at}`);
    }
    expect(began).toHaveLength(40);
    const ended: string[] = [];
    for await (const { event } of openEventLog(database).read({ types: ["job.inference-ended"] }))
      ended.push(event.subject ?? "");
    expect(ended.toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
    expect(await other.backlog("late")).toMatchObject({ approximateBacklogSize: 0, hasBacklogWithoutCapacity: false });
  },
);
