/**
 * The search box: words that must all hold, parted by blanks.
 *
 *   TS_01        names that begin so (or hold it), * and ? and [1-3] as in a shell
 *   tilt:>50     a number of the image; < <= > >= = and a range 1..2
 *   state:stale  used:no  tag:dark  series:TS_0[1-3]  verdict:weak  suspect:yes  flag:yes  -word  (not)
 */

export interface Searchable {
  name: string;
  series: string;
  state: string;
  verdict: string;
  used: boolean;
  decision: string;
  suspect: boolean;
  flagged: boolean;
  tags: string;
  number(key: string): number | null;
}

export type Test = (item: Searchable) => boolean;

/** What may stand before the colon for a number, and the number's name. */
export const NUMBERS: Readonly<Record<string, string>> = {
  tilt: "tilt_deg",
  def: "defocus_um",
  defocus: "defocus_um",
  astig: "astigmatism_um",
  res: "resolution_A",
  motion: "motion_A",
  masked: "masked_percent",
  beads: "beads",
  mean: "mean_e",
  phase: "phase_shift_deg",
  order: "order",
};

export const WORDS = ["state:", "used:", "series:", "verdict:", "suspect:", "flag:", "tag:", ...Object.keys(NUMBERS).map((n) => `${n}:`)];

const VALUES: Readonly<Record<string, readonly string[]>> = {
  state: ["waiting", "running", "done", "stale", "failed"],
  verdict: ["good", "weak", "failed"],
  used: ["yes", "no"],
  suspect: ["yes", "no"],
  flag: ["yes", "no"],
};

/** What the word being typed may become, each as the whole text of the box. */
export function completions(text: string, series: readonly string[] = []): string[] {
  const begin = text.lastIndexOf(" ") + 1;
  const isNot = text[begin] === "-";
  const head = text.slice(0, begin + (isNot ? 1 : 0));
  const word = text.slice(head.length).toLowerCase();
  if (word === "") return [];
  const colon = word.indexOf(":");
  const field = word.slice(0, colon);
  const known = colon < 0 ? WORDS : (field === "series" ? series : (VALUES[field] ?? [])).map((value) => `${field}:${value}`);
  return known.filter((one) => one.toLowerCase().startsWith(word) && one.toLowerCase() !== word).slice(0, 12).map((one) => head + one);
}

export class SearchError extends Error {}

export function parseSearch(text: string): Test {
  const tests = text.trim().split(/\s+/).filter(Boolean).map(parseWord);
  return (item) => tests.every((test) => test(item));
}

function parseWord(word: string): Test {
  if (word.startsWith("-") && word.length > 1) {
    const test = parseWord(word.slice(1));
    return (item) => !test(item);
  }
  const colon = word.indexOf(":");
  if (colon < 0) {
    const pattern = glob(word, false);
    return (item) => pattern.test(item.name);
  }
  const field = word.slice(0, colon).toLowerCase();
  const value = word.slice(colon + 1);
  if (value === "") return () => true;
  return fieldTest(field, value);
}

function fieldTest(field: string, value: string): Test {
  const lower = value.toLowerCase();
  switch (field) {
    case "state":
    case "status":
      return (item) => item.state.startsWith(lower);
    case "verdict":
      return (item) => item.verdict.startsWith(lower);
    case "used":
      return (item) => item.used === yes(lower);
    case "suspect":
      return (item) => item.suspect === yes(lower);
    case "flag":
    case "flagged":
      return (item) => item.flagged === yes(lower);
    case "tag":
      return (item) => item.tags.toLowerCase().includes(lower);
    case "series": {
      const pattern = glob(value, true);
      return (item) => pattern.test(item.series);
    }
  }
  const key = NUMBERS[field];
  if (key === undefined) throw new SearchError(`${field}: is not known here; try ${WORDS.slice(0, 9).join(" ")}`);
  const compare = comparison(value);
  return (item) => {
    const number = item.number(key);
    return number !== null && compare(number);
  };
}

function yes(word: string): boolean {
  return word.startsWith("y") || word === "true" || word === "1";
}

function comparison(text: string): (value: number) => boolean {
  const range = /^(-?[\d.]+)\.\.(-?[\d.]+)$/.exec(text);
  if (range) {
    const [low, high] = [Number(range[1]), Number(range[2])];
    return (value) => value >= low && value <= high;
  }
  const found = /^(<=|>=|<|>|=)?([+-]?[\d.]+)$/.exec(text.replace("−", "-"));
  if (!found || Number.isNaN(Number(found[2]))) throw new SearchError(`${text}: give a number, such as >15 or 1..2`);
  const limit = Number(found[2]);
  switch (found[1]) {
    case "<":
      return (value) => value < limit;
    case "<=":
      return (value) => value <= limit;
    case ">":
      return (value) => value > limit;
    case ">=":
      return (value) => value >= limit;
    default:
      return (value) => Math.abs(value - limit) < 0.05;
  }
}

/** A shell pattern as a regular expression; without wildcards it may match anywhere unless `whole`. */
function glob(pattern: string, whole: boolean): RegExp {
  const hasWildcard = /[*?[]/.test(pattern);
  let source = "";
  for (let at = 0; at < pattern.length; at++) {
    const letter = pattern[at] as string;
    if (letter === "*") source += ".*";
    else if (letter === "?") source += ".";
    else if (letter === "[" && pattern.indexOf("]", at) > at) {
      const end = pattern.indexOf("]", at);
      source += `[${pattern.slice(at + 1, end).replace(/[\\^]/g, "\\$&")}]`;
      at = end;
    } else source += letter.replace(/[.+^${}()|\\\]/[]/g, "\\$&");
  }
  const exact = hasWildcard || whole;
  try {
    return new RegExp(exact ? `^${source}$` : source, "i");
  } catch {
    throw new SearchError(`${pattern}: this pattern cannot be understood`);
  }
}
