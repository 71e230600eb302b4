import { postgresEngine } from "./engines.ts";
import { processesSuite } from "./processes-suite.ts";

const postgres = postgresEngine();

processesSuite(postgres);
