import { crashSuite } from "./crash-suite.ts";
import { postgresEngine } from "./engines.ts";
import { processesSuite } from "./processes-suite.ts";

const postgres = postgresEngine("fsync = off");

processesSuite(postgres);
crashSuite(postgres, 30, 400);
