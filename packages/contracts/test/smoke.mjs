// A small action on every supported Node: values survive their text, digests agree, time comes from outside.
import assert from "node:assert/strict";
import { canonicalJson, createManualClock, digestOf, hasCode, MillwrightError } from "@millwright/contracts";

assert.equal(canonicalJson({ b: 1, a: [true, null] }), '{"a":[true,null],"b":1}');
assert.equal(digestOf("abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
const clock = createManualClock(1_000);
assert.equal(clock.nowMs(), 1_000);
const error = new MillwrightError("SMOKE_TEST", "It failed.", { category: "user", remedy: "Mend it." });
assert.ok(hasCode(error, "SMOKE_TEST") && error.message.includes("Mend it."));
