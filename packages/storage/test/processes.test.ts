import { sqlite } from "./engines.ts";
import { processesSuite } from "./processes-suite.ts";

processesSuite(sqlite);
