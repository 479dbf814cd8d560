/** The tilts of a series as a table: sorted by any column, copied as text. */

import { useSignal } from "@preact/signals";
import { TriState } from "./tristate";
import { fixed, signed } from "../lib/format";
import { notify } from "../state/notices";
import { current, revision, select, table } from "../state/store";

type Column = readonly [key: string, title: string, digits: number, sign?: boolean];
const COLUMNS: readonly Column[] = [
  ["tilt_deg", "tilt °", 1, true],
  ["order", "order", 0],
  ["pre_exposure_e_A2", "before e⁻/Å²", 1],
  ["defocus_um", "defocus µm", 3],
  ["resolution_A", "fits to Å", 1],
  ["motion_A", "motion Å", 1],
  ["mean_e", "mean e⁻/px", 2],
  ["masked_percent", "masked %", 2],
];

export function TiltTable({ members }: { members: readonly number[] }) {
  revision.value;
  const sort = useSignal<[string, number]>(["tilt_deg", 1]);
  const now = table.value;
  const [key, direction] = sort.value;
  const rows = [...members].sort((a, b) => direction * ((now.number(a, key) ?? Infinity) - (now.number(b, key) ?? Infinity)) || a - b);
  const copy = async (): Promise<void> => {
    const head = ["name", ...COLUMNS.map(([, title]) => title), "state", "reason"].join("\t");
    const lines = rows.map((at) =>
      [now.names[at], ...COLUMNS.map(([column]) => now.number(at, column) ?? ""), now.word(at), now.decisionReasons.get(at) ?? ""].join("\t"),
    );
    await navigator.clipboard.writeText([head, ...lines].join("\n"));
    notify("Copied as tab-separated text.");
  };
  return (
    <div class="sheet-scroll pad">
      <table>
        <thead>
          <tr>
            <th>use</th>
            <th>image</th>
            {COLUMNS.map(([column, title]) => (
              <th class="n" aria-sort={column === key ? (direction > 0 ? "ascending" : "descending") : undefined}>
                <button type="button" class="plain" style={{ minHeight: "22px", padding: 0 }} onClick={() => { sort.value = [column, column === key ? -direction : 1]; }}>
                  {title}{column === key ? (direction > 0 ? " ↑" : " ↓") : ""}
                </button>
              </th>
            ))}
            <th>state</th>
            <th><button type="button" class="plain small" onClick={() => void copy()}>copy</button></th>
          </tr>
        </thead>
        <tbody>
          {rows.map((at) => (
            <tr key={now.names[at]} class="pick" aria-selected={at === current.value} onClick={() => select(at)}>
              <td><TriState at={at} /></td>
              <td>{now.names[at]}</td>
              {COLUMNS.map(([column, , digits, sign]) => <td class="n">{sign ? signed(now.number(at, column), digits) : fixed(now.number(at, column), digits)}</td>)}
              <td>{now.word(at)}</td>
              <td class="muted">{now.decisionReasons.get(at) || now.suspects.get(at) || now.reasons.get(at) || ""}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
