/** Alarms while a run is going: a chip on every page, the sentences on the Overview. */

import { useEffect } from "preact/hooks";
import { plural } from "../lib/format";
import { freshAlarms, markSeen } from "../state/alarms";
import { announce } from "../state/notices";
import { go } from "../state/route";
import { select } from "../state/store";

export function AlarmChip() {
  const found = freshAlarms.value;
  const text = found.map((alarm) => alarm.text).join(". ");
  useEffect(() => {
    if (text) announce(text);
  }, [text]);
  if (found.length === 0) return null;
  return (
    <button type="button" class="chip warn" data-testid="alarms" title={text} onClick={() => go({ page: "overview" })}>
      <span aria-hidden="true">▲ </span>{plural(found.length, "alarm")}
    </button>
  );
}

export function AlarmList() {
  return (
    <>
      {freshAlarms.value.map((alarm) => (
        <div class="rule-bar alarm" key={alarm.kind} data-testid="alarm">
          <span aria-hidden="true" class="warned">▲</span>
          <span><b>{alarm.text}.</b></span>
          <span class="spacer" />
          {alarm.items.length > 0 && (
            <button
              type="button"
              onClick={() => {
                select(alarm.items[alarm.items.length - 1] as number);
                go({ page: "real" });
              }}
            >
              Look at the newest
            </button>
          )}
          <button type="button" class="plain" onClick={() => markSeen(alarm)}>Seen</button>
        </div>
      ))}
    </>
  );
}
