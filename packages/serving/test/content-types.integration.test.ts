import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { openModelServer } from "@millwright/serving";
import { denseRuntime, expected, packFolder } from "./models.ts";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const found = spawnSync(python, ["-c", "import numpy, pyarrow"]).status === 0;
const program = fileURLToPath(new URL("fixtures/content_types.py", import.meta.url));
const rows = [
  [0.5, -1, 2, 0.25],
  [1, 1, 1, 1],
  [-3, 0.125, 7, 0.001],
];

test(
  "SV-6: what NumPy and pyarrow write is read, and what is answered is read by them",
  { timeout: 300_000 },
  async ({ skip }) => {
    if (process.env["CI"] !== "true")
      skip(
        !found,
        `${python} cannot import numpy and pyarrow: install them, and name that Python in MILLWRIGHT_PYTHON`,
      );
    await using folder = await packFolder(1);
    await using server = await openModelServer({
      source: folder.source,
      runtimes: [denseRuntime()],
      endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    });
    const listener = createServer(server.node).listen(0, "127.0.0.1");
    await once(listener, "listening");
    try {
      const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
      const { stdout } = await promisify(execFile)(python, [program, url]);
      const told = JSON.parse(stdout) as Readonly<Record<string, unknown>>;
      const answers = rows.map((row) => expect.closeTo(expected(1, row), 6) as number);
      expect(Object.keys(told)).toHaveLength(9);
      for (const [name, answered] of Object.entries(told))
        expect(answered, name).toEqual({
          npy: ["float32", [3, 1], answers],
          npz: [["probability"], answers],
          arrow: ["probability: float", answers],
        });
    } finally {
      listener.closeAllConnections();
      listener.close();
    }
  },
);
