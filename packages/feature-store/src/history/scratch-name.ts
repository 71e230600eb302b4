import { createIdSource, systemClock } from "@millwright/contracts";

const ids = createIdSource(systemClock);

/** A name for a table that stands in the caller's DuckDB for a while: no table there has it, neither the caller's nor another call's. */
export const scratchName = (what: string): string => `__millwright_${what}_${ids.next().replaceAll("-", "_")}`;
