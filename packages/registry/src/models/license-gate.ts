import { judgeLicense } from "../records/licenses.ts";
import type { Gate } from "./gates.ts";

export interface LicenseGateOptions {
  /** Licenses that nothing in the version may need: SPDX ids in whatever form, or beginnings with `*` at the end, such as `AGPL-*`. */
  readonly deny: readonly string[];
  /** Whether data and dependencies may have a license that nobody knows; of the model itself it must be known. Default: false. */
  readonly allowUnknown?: boolean | undefined;
}

const mostNamed = 10;

/** Closed where the model, its data or a dependency has a denied license, and where the license is not known. What is judged are the materials of the version (`setMaterials`). */
export function licenseGate({ deny, allowUnknown = false }: LicenseGateOptions): Gate {
  return {
    name: "licenses",
    async check({ candidate, registry, signal }) {
      const { name, version, manifest } = candidate;
      const materials = await registry.materials(name, version, { signal });
      if (materials === undefined) return { passed: false, reason: "Nobody has said what licenses it has." };
      const { license, dataTerms = [], dependencies = [] } = materials;
      const said = new Map(dataTerms.map((each) => [each.dataset, each.license]));
      const roles = new Set([...Object.keys(manifest.provenance.datasets), ...said.keys()]);
      const subjects = [
        { what: "the model", license, isModel: true },
        ...[...roles].map((role) => ({ what: `the data "${role}"`, license: said.get(role), isModel: false })),
        ...dependencies.map((each) => ({
          what: `${each.name} ${each.version}`,
          license: each.license,
          isModel: false,
        })),
      ];
      const closed = subjects.flatMap(({ what, license: given, isModel }) => {
        const { verdict, licenses } = judgeLicense(given, deny);
        if (verdict === "denied") return [`${what} is under ${licenses.join(", ")}`];
        const isOpen = verdict === "allowed" || (allowUnknown && !isModel);
        return isOpen ? [] : [`the license of ${what} is not known${given === undefined ? "" : `: "${given}"`}`];
      });
      const more = closed.length > mostNamed ? `; and ${closed.length - mostNamed} more` : "";
      const reason =
        closed.length === 0
          ? `None of ${subjects.length} licenses is denied.`
          : `Licenses are denied or not known: ${closed.slice(0, mostNamed).join("; ")}${more}.`;
      return { passed: closed.length === 0, reason, evidence: { judged: subjects.length, closed } };
    },
  };
}
