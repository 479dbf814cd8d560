import { dismiss, notices, spoken } from "../state/notices";

/** Short messages at the bottom, and what screen readers are told. */
export function Notices() {
  return (
    <>
      <div class="notices">
        {notices.value.map((notice) => (
          <div key={notice.id} class={`notice ${notice.tone}`} role={notice.tone === "error" ? "alert" : "status"}>
            <span>{notice.text}</span>
            {notice.tone === "error" && (
              <button type="button" class="plain" aria-label="Dismiss" onClick={() => dismiss(notice.id)}>✕</button>
            )}
          </div>
        ))}
      </div>
      <div class="hidden-text" aria-live="polite">{spoken.value}</div>
    </>
  );
}
