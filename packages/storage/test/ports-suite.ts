import { createManualClock } from "@millwright/contracts";
import { eventLogContract, leaseStoreContract, recordStoreContract } from "@millwright/contracts/testing";
import { openEventLog, openLeaseStore, openRecordStore } from "@millwright/storage";
import type { Engine } from "./engines.ts";

/** The contract cases of the ports that a database keeps. */
export function portsSuite(engine: Engine): void {
  for (const { name, run } of eventLogContract) {
    engine.test(`events in ${engine.name}: ${name}`, async () => {
      await using place = await engine.makePlace();
      await using database = await place.open();
      await run(openEventLog(database));
    });
  }
  for (const { name, run } of leaseStoreContract) {
    engine.test(`leases in ${engine.name}: ${name}`, async () => {
      await using place = await engine.makePlace();
      await using database = await place.open();
      const clock = createManualClock(1_700_000_000_000);
      await run({ store: openLeaseStore(database, { clock }), advance: (ms) => clock.advance(ms) });
    });
  }
  for (const { name, run } of recordStoreContract) {
    engine.test(`records in ${engine.name}: ${name}`, async () => {
      await using place = await engine.makePlace();
      await using database = await place.open();
      await run(openRecordStore(database));
    });
  }
}
