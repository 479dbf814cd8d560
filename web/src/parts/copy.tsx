import { useSignal } from "@preact/signals";

/** A command as it would be typed, with a button that copies it. */
export function Copy({ text, label = "as a command" }: { text: string; label?: string }) {
  const isDone = useSignal(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    isDone.value = true;
    setTimeout(() => (isDone.value = false), 1500);
  };
  return (
    <div class="copy" title={label}>
      <code tabIndex={0}>{text}</code>
      <button type="button" class="plain small" onClick={() => void copy()}>{isDone.value ? "copied" : "copy"}</button>
    </div>
  );
}
