import { open } from "node:fs/promises";
import { join } from "node:path";
import { createManualClock } from "@millwright/contracts";
import {
  artifactCorruptionContract,
  artifactStoreContract,
  eventLogContract,
  leaseStoreContract,
  recordStoreContract,
} from "@millwright/contracts/testing";
import {
  openDirectoryArtifactStore,
  openMemoryArtifactStore,
  openMemoryEventLog,
  openMemoryLeaseStore,
  openMemoryRecordStore,
} from "@millwright/storage";
import { describe, test } from "vitest";
import { sqlite } from "./engines.ts";
import { temporaryFolder } from "./folder.ts";
import { portsSuite } from "./ports-suite.ts";

describe("artifacts in memory", () => {
  for (const { name, run } of artifactStoreContract) test(name, () => run(openMemoryArtifactStore()));
});

describe("artifacts in a directory", () => {
  for (const { name, run } of artifactStoreContract) {
    test(name, async () => {
      await using folder = await temporaryFolder();
      await run(await openDirectoryArtifactStore(folder.path));
    });
  }
  for (const { name, run } of artifactCorruptionContract) {
    test(name, async () => {
      await using folder = await temporaryFolder();
      const store = await openDirectoryArtifactStore(folder.path);
      const corrupt = async (digest: string): Promise<void> => {
        const hex = digest.slice("sha256:".length);
        await using file = await open(join(folder.path, "sha256", hex.slice(0, 2), hex.slice(2)), "r+");
        await file.write(Uint8Array.of(0xff), 0, 1, 3);
      };
      await run({ store, corrupt });
    });
  }
});

describe("events in memory", () => {
  for (const { name, run } of eventLogContract) test(name, () => run(openMemoryEventLog()));
});

describe("leases in memory", () => {
  for (const { name, run } of leaseStoreContract) {
    test(name, async () => {
      const clock = createManualClock(1_700_000_000_000);
      await run({ store: openMemoryLeaseStore({ clock }), advance: (ms) => clock.advance(ms) });
    });
  }
});

describe("records in memory", () => {
  for (const { name, run } of recordStoreContract) test(name, () => run(openMemoryRecordStore()));
});

portsSuite(sqlite);
