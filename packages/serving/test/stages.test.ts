import { denseRuntime } from "@millwright/model";
import { describe, expect, it } from "vitest";
import { type Prediction, type SideModel, type Stage, openModelServer } from "../src/index.ts";
import { expected, packFolder } from "./models.ts";

const row = [0.1, -0.2, 0.3, 0.4];

async function serverWith(stages: readonly Stage[]) {
  const folder = await packFolder(2);
  const server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, stages } },
  });
  return {
    server,
    [Symbol.asyncDispose]: async () => {
      await server.drain();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe("stages", () => {
  it("stand around the answer, the first outermost, and close in the opposite order", async () => {
    const told: string[] = [];
    const stage = (name: string): Stage => ({
      name,
      open: () => void told.push(`open ${name}`),
      request: async (call, next) => {
        told.push(`> ${name}`);
        const answer = await next(call);
        told.push(`< ${name}`);
        return answer;
      },
      model: async (call, next) => {
        told.push(`${name}: ${call.rows} rows for ${call.variant} of ${call.model.name}/${call.model.version}`);
        return next(call);
      },
      close: async () => void told.push(`close ${name}`),
    });
    {
      await using open = await serverWith([stage("outer"), stage("inner")]);
      await open.server.predict("late", { instances: [row] });
    }
    expect(told).toEqual([
      "open outer",
      "open inner",
      "> outer",
      "> inner",
      "outer: 1 rows for main of late/1",
      "inner: 1 rows for main of late/1",
      "< inner",
      "< outer",
      "close inner",
      "close outer",
    ]);
  });

  it("may ask another model beside the endpoint's variants", async () => {
    let side: SideModel | undefined;
    const others: Prediction[] = [];
    const stage: Stage = {
      name: "second opinion",
      open: async (site) => {
        side = await site.openModel("late/2", { variant: "second" });
      },
      request: async (call, next) => {
        const answer = await next(call);
        if (side !== undefined) others.push(await side.predict(call));
        return answer;
      },
      close: async () => side?.close(),
    };
    await using open = await serverWith([stage]);
    const answer = await open.server.predict("late", { instances: [row] });
    expect(answer.outputs["probability"]?.data[0]).toBeCloseTo(expected(1, row), 5);
    expect(others[0]?.outputs["probability"]?.data[0]).toBeCloseTo(expected(2, row), 5);
    expect(others[0]?.provenance).toMatchObject({ variant: "second", model: { version: 2 } });
  });

  it("fail the opening of the server where one does not open", async () => {
    const stage: Stage = { name: "broken", open: () => Promise.reject(new RangeError("no place for it")) };
    await expect(serverWith([stage])).rejects.toThrow("no place for it");
  });
});
