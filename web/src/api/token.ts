/** The secret of this start: arrives in the link's fragment, is kept for this tab and handed to tabs opened later. */

const KEY = "weft-token";
const CHANNEL = "weft-token";
const PATIENCE_MS = 400;

/** Take the token out of the address bar, from this tab's memory, or from another open tab; null if nobody has it. */
export async function findToken(): Promise<string | null> {
  const given = /(?:^#|&)t=([A-Za-z0-9_-]+)/.exec(location.hash);
  if (given?.[1]) {
    sessionStorage.setItem(KEY, given[1]);
    history.replaceState(null, "", location.pathname + location.search);
  }
  const token = sessionStorage.getItem(KEY) ?? (await askOtherTabs());
  if (token) {
    sessionStorage.setItem(KEY, token);
    answerOtherTabs(token);
  }
  return token;
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
}

function askOtherTabs(): Promise<string | null> {
  if (!("BroadcastChannel" in window)) return Promise.resolve(null);
  return new Promise((resolve) => {
    const channel = new BroadcastChannel(CHANNEL);
    const give = (token: string | null): void => {
      channel.close();
      resolve(token);
    };
    channel.onmessage = (event: MessageEvent<{ token?: string }>) => {
      if (event.data.token) give(event.data.token);
    };
    channel.postMessage({ ask: true });
    setTimeout(() => give(null), PATIENCE_MS);
  });
}

function answerOtherTabs(token: string): void {
  if (!("BroadcastChannel" in window)) return;
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (event: MessageEvent<{ ask?: boolean }>) => {
    if (event.data.ask) channel.postMessage({ token });
  };
}
