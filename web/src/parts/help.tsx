import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { lettersAreOff, setLettersOff } from "../lib/keys";
import { ACTS } from "../state/acts";
import { isHelpOpen } from "../state/look";

const GROUPS = ["Move", "Decide", "Look", "Pages"] as const;

/** All keys, and the switch that turns letters off. */
export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const off = useSignal(lettersAreOff());
  const isOpen = isHelpOpen.value;
  useEffect(() => {
    if (isOpen && !dialog.current?.open) dialog.current?.showModal();
    if (!isOpen && dialog.current?.open) dialog.current.close();
  }, [isOpen]);
  return (
    <dialog ref={dialog} onClose={() => (isHelpOpen.value = false)} aria-labelledby="help-title">
      <div class="row">
        <h2 id="help-title">Keys</h2>
        <span class="spacer" />
        <label class="row small">
          <input
            type="checkbox" checked={off.value}
            onChange={(event) => {
              off.value = event.currentTarget.checked;
              setLettersOff(off.value);
            }}
          />
          letters off (for speech input)
        </label>
        <button type="button" onClick={() => (isHelpOpen.value = false)}>Close</button>
      </div>
      <ul class="key-list">
        {GROUPS.flatMap((group) => ACTS.filter((act) => act.group === group)).map((act) => (
          <li><span>{act.label}</span><kbd>{act.keys}</kbd></li>
        ))}
      </ul>
    </dialog>
  );
}
