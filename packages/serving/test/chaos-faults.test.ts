import { type Tensors, createManualClock, hasCode } from "@millwright/contracts";
import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { type Chaos, type ChaosOptions, chaos, signChaosFlag, verifyChaosFlag } from "../src/chaos.ts";
import { openModelServer } from "../src/index.ts";
import { denseRuntime, expected, packFolder } from "./models.ts";

async function serve(options: ChaosOptions | Chaos, clock = createManualClock(1_000_000)) {
  const folder = await packFolder(1);
  const faults = "stage" in options ? options : chaos({ clock, ...options });
  const errors: string[] = [];
  const server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    clock,
    logger: {
      debug() {},
      info() {},
      error() {},
      warn: (fields) => void errors.push(String((fields as { readonly fault?: string }).fault)),
    },
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, stages: [faults.stage()] } },
  }).catch(async (error: unknown) => {
    await folder[Symbol.asyncDispose]();
    throw error;
  });
  const ask = (requestId: string, more: object = {}): Promise<Tensors | string> =>
    server.predict("late", { instances: [[0.1, -0.2, 0.3, 0.4]], requestId, ...more }).then(
      ({ outputs }) => outputs,
      (error: unknown) => (hasCode(error, "SERVING_FAULT_INJECTED") ? "failed" : String(error)),
    );
  return { faults, ask, clock, errors, [Symbol.asyncDispose]: async () => { await server[Symbol.asyncDispose](); await folder[Symbol.asyncDispose](); } }; // prettier-ignore
}

describe("faults", () => {
  it("befall the share of requests that the seed and their ids name, whom they match, and when", async () => {
    const ids = Array.from({ length: 400 }, (_, at) => `r${at}`);
    const failed = async (options: ChaosOptions): Promise<readonly string[]> => {
      await using open = await serve(options);
      const answers = await Promise.all(ids.map((id) => open.ask(id)));
      expect(open.errors).toHaveLength(open.faults.injected()["broken"] ?? 0);
      return ids.filter((_, at) => answers[at] === "failed");
    };
    const broken = { kind: "error", name: "broken", share: 0.25 } as const;
    const first = await failed({ seed: 1, faults: [broken] });
    // 400 draws of 1/4: five standard deviations are 43.
    expect(Math.abs(first.length - 100)).toBeLessThan(43);
    expect(await failed({ seed: 1, faults: [broken] })).toEqual(first);
    expect(await failed({ seed: 2, faults: [broken] })).not.toEqual(first);
    const matched = { kind: "error", name: "broken", match: { tenant: "t1", mark: "m" }, fromMs: 1_000_500, untilMs: 1_001_000 } as const; // prettier-ignore
    await using open = await serve({ seed: 1, faults: [matched] });
    const marked = { tenant: "t1", chaos: "m" };
    expect(await open.ask("a", marked)).not.toBe("failed");
    await open.clock.advance(500);
    expect(await open.ask("a", marked)).toBe("failed");
    expect(await open.ask("a", { tenant: "t1" })).not.toBe("failed");
    expect(await open.ask("a", { ...marked, tenant: "t2" })).not.toBe("failed");
    await open.clock.advance(500);
    expect(await open.ask("a", marked)).not.toBe("failed");
    expect(open.faults.injected()).toEqual({ broken: 1 });
  });

  it("corrupt one number, the same one each time, and leave the model's own answer alone", async () => {
    const flip = { kind: "corrupt", name: "flip", how: "bit-flip", at: "request" } as const;
    await using open = await serve({ seed: 3, faults: [flip] });
    const two = { instances: [[0.1, -0.2, 0.3, 0.4], [1, 1, 1, 1]] }; // prettier-ignore
    const outputs = (await open.ask("r1", two)) as Tensors;
    const values = [...(outputs["probability"]?.data ?? [])].map(Number);
    const wanted = [expected(1, [0.1, -0.2, 0.3, 0.4]), expected(1, [1, 1, 1, 1])];
    expect(values.filter((value, at) => Math.abs(value - (wanted[at] ?? 0)) > 1e-9 && !Object.is(value, wanted[at])).length).toBeGreaterThan(0); // prettier-ignore
    expect(await open.ask("r1", two)).toEqual(outputs);
    open.faults.arm([]);
    const [first] = [...(((await open.ask("r1", two)) as Tensors)["probability"]?.data ?? [])];
    expect(first).toBeCloseTo(wanted[0] ?? 0, 6);
  });

  it("are refused where they are not what they should be", () => {
    const one = (fault: object) => () => chaos({ seed: 1, faults: [{ name: "x", ...fault } as never] });
    expect(one({ kind: "earthquake" })).toThrow(TypeError);
    expect(one({ kind: "error", share: 0 })).toThrow(RangeError);
    expect(one({ kind: "delay" })).toThrow(RangeError);
    expect(one({ kind: "kill-worker" })).toThrow(TypeError);
    expect(one({ kind: "corrupt", how: "hang" })).toThrow(TypeError);
    expect(() => chaos({ seed: 0.5, faults: [{ kind: "error", name: "x" }] })).toThrow(RangeError);
    expect(() => chaos({ seed: 1, faults: [] })).toThrow(TypeError);
    const twice = { kind: "error", name: "x" } as const;
    expect(() => chaos({ seed: 1, faults: [twice, twice] })).toThrow(TypeError);
    expect(() => chaos({ seed: 1, faults: [twice], armed: ["y"] })).toThrow(TypeError);
  });
});

describe("in production", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const other = generateKeyPairSync("ed25519");
  const faults = [{ kind: "error", name: "broken" }] as const;
  const forbidden = expect.objectContaining({ code: "SERVING_CHAOS_FORBIDDEN" });

  it("nothing is injected without a flag that is signed, lasts, and allows it", () => {
    const clock = createManualClock(1_000_000);
    const open = (token?: string) => (): unknown =>
      chaos({
        seed: 1,
        faults,
        clock,
        production: true,
        ...(token === undefined ? {} : { flag: { token, publicKey } }),
      });
    const good = signChaosFlag({ untilMs: 2_000_000, faults: ["error"], by: "ops" }, privateKey);
    expect(open(good)).not.toThrow();
    expect(verifyChaosFlag({ token: good, publicKey }, clock)).toEqual({ untilMs: 2_000_000, faults: ["error"], endpoints: undefined, by: "ops" }); // prettier-ignore
    const [header, , signature] = good.split(".");
    const longer = Buffer.from(JSON.stringify({ aud: "millwright-chaos", exp: 9e9 })).toString("base64url");
    const unsigned = Buffer.from('{"alg":"none"}').toString("base64url");
    for (const token of [
      undefined,
      "",
      "a.b.c",
      signChaosFlag({ untilMs: 999_000 }, privateKey),
      signChaosFlag({ untilMs: 2_000_000 }, other.privateKey),
      signChaosFlag({ untilMs: 2_000_000, faults: ["delay"] }, privateKey),
      `${header}.${longer}.${signature}`,
      `${unsigned}.${longer}.`,
    ])
      expect(open(token), token ?? "none").toThrow(forbidden as never);
    vi.stubEnv("NODE_ENV", "production");
    try {
      expect(() => chaos({ seed: 1, faults, production: false })).toThrow(forbidden as never);
    } finally {
      vi.unstubAllEnvs();
    }
    expect(() => signChaosFlag({ untilMs: 1 }, "no key")).toThrow(TypeError);
  });

  it("a flag is for its endpoints, and where it ends the faults do", async () => {
    const clock = createManualClock(1_000_000);
    const withFlag = (endpoints: readonly string[]): Chaos =>
      chaos({ seed: 1, faults, clock, production: true, flag: { token: signChaosFlag({ untilMs: 1_060_000, endpoints }, privateKey), publicKey } }); // prettier-ignore
    await expect(serve(withFlag(["other"]), clock)).rejects.toMatchObject({ code: "SERVING_CHAOS_FORBIDDEN" });
    await using open = await serve(withFlag(["late"]), clock);
    expect(await open.ask("r1")).toBe("failed");
    await clock.advance(60_000);
    expect(await open.ask("r1")).not.toBe("failed");
  });
});
