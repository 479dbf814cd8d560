/** Names that this browser remembers for each project; nothing that decides anything. */

function readAll(key: string): Record<string, string[]> {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "{}") as Record<string, string[]>;
  } catch {
    return {};
  }
}

export function readKept(key: string, folder: string): Set<string> {
  return new Set(readAll(key)[folder] ?? []);
}

export function writeKept(key: string, folder: string, names: ReadonlySet<string>): void {
  localStorage.setItem(key, JSON.stringify({ ...readAll(key), [folder]: [...names] }));
}
