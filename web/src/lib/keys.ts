/** The keyboard: one map for all pages. Letters follow the printed label, brackets the physical key. */

export interface KeyAct {
  /** What the help calls it. */
  label: string;
  /** As shown: "X", "Shift+X", "← →". */
  keys: string;
  group: "Move" | "Decide" | "Look" | "Pages";
  run: (event: KeyboardEvent) => void;
  match: (event: KeyboardEvent) => boolean;
  /** May repeat while the key is held. */
  repeats?: boolean;
}

export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  if (!target) return false;
  const tag = target.tagName;
  if (tag === "INPUT") return !["checkbox", "radio", "range", "button"].includes((target as HTMLInputElement).type);
  return tag === "TEXTAREA" || tag === "SELECT" || target.isContentEditable;
}

const hasModifier = (event: KeyboardEvent): boolean => event.ctrlKey || event.metaKey || event.altKey;

/** A letter, by its printed label. */
export const letter =
  (wanted: string, shift = false) =>
  (event: KeyboardEvent): boolean =>
    !hasModifier(event) && event.shiftKey === shift && event.key.toLowerCase() === wanted.toLowerCase();

/** A named key such as ArrowLeft. */
export const named =
  (...wanted: string[]) =>
  (event: KeyboardEvent): boolean =>
    !hasModifier(event) && !event.shiftKey && wanted.includes(event.key);

/** A key by its place on the keyboard. */
export const placed =
  (wanted: string) =>
  (event: KeyboardEvent): boolean =>
    !hasModifier(event) && event.code === wanted;

const LETTERS_OFF = "weft-letter-keys-off";

export function lettersAreOff(): boolean {
  return localStorage.getItem(LETTERS_OFF) === "1";
}

export function setLettersOff(off: boolean): void {
  localStorage.setItem(LETTERS_OFF, off ? "1" : "0");
}

/** Handle a key press; true if it meant something. */
export function handleKey(acts: readonly KeyAct[], event: KeyboardEvent): boolean {
  if (isTyping(event) || event.defaultPrevented) return false;
  if (lettersAreOff() && event.key.length === 1 && event.key !== " " && event.key !== "?") return false;
  for (const act of acts) {
    if (!act.match(event)) continue;
    if (event.repeat && !act.repeats) {
      event.preventDefault();
      return true;
    }
    event.preventDefault();
    act.run(event);
    return true;
  }
  return false;
}
