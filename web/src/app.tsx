/** The frame that all pages share, and what happens when the page is opened. */

import { effect, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError } from "./api/client";
import { forgetToken } from "./api/token";
import { Bar } from "./bar/bar";
import { handleKey } from "./lib/keys";
import { ChecksPage } from "./pages/checks";
import { ExportPage } from "./pages/export";
import { FourierPage } from "./pages/fourier";
import { ImportPage } from "./pages/import";
import { LogPage } from "./pages/log";
import { OverviewPage } from "./pages/overview";
import { RealPage } from "./pages/real";
import { SeriesPage } from "./pages/series";
import { Banners } from "./parts/banners";
import { Help } from "./parts/help";
import { MovieView } from "./parts/movie";
import { Notices } from "./parts/notices";
import { Top } from "./parts/top";
import { followSettings } from "./settings/draft";
import { SettingsPanel } from "./settings/panel";
import { ACTS } from "./state/acts";
import { followAlarms, freshAlarms } from "./state/alarms";
import { openDone } from "./state/done";
import { openFlags } from "./state/flags";
import { isBlinking, isPlaying, isSplit } from "./state/look";
import { report } from "./state/notices";
import { followHistory, isSettingsOpen, page as pageNow, type Page } from "./state/route";
import { connect, counts, isLoaded, loadItems, loadProject, project, run, suggestionsRevision } from "./state/store";
import { loadSuspects } from "./state/suspects";

const isRefused = signal(false);

export function App() {
  useEffect(() => {
    followHistory();
    followSettings();
    document.title = "Weft";
    void open();
    const stop = connect();
    const stopSuspects = effect(() => {
      suggestionsRevision.value;
      // without suggestions the page is still whole
      if (isLoaded.value) void loadSuspects().catch(() => undefined);
    });
    const stopMarks = effect(() => {
      const folder = project.value?.folder;
      if (folder === undefined) return;
      openFlags(folder);
      openDone(folder);
    });
    const stopAlarms = followAlarms();
    const down = (event: KeyboardEvent): void => void handleKey(ACTS, event);
    const up = (event: KeyboardEvent): void => {
      if (event.key === " ") isPlaying.value = false;
      if (event.key.toLowerCase() === "c") isBlinking.value = false;
    };
    addEventListener("keydown", down);
    addEventListener("keyup", up);
    return () => {
      stop();
      stopSuspects();
      stopMarks();
      stopAlarms();
      removeEventListener("keydown", down);
      removeEventListener("keyup", up);
    };
  }, []);

  if (isRefused.value) return <Gate />;
  const here = pageNow.value;
  return (
    <div class="frame">
      <Title />
      <Top />
      <Banners />
      {isSettingsOpen.value && <SettingsPanel />}
      <main class="page" aria-label={here}>
        <CurrentPage page={here} />
        {isPlaying.value && <MovieView />}
      </main>
      <Bar />
      <Notices />
      <Help />
    </div>
  );
}

async function open(): Promise<void> {
  try {
    await Promise.all([loadProject(), loadItems()]);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      forgetToken();
      isRefused.value = true;
      return;
    }
    report(error);
  }
}

function CurrentPage({ page }: { page: Page }) {
  if (isSplit.value && (page === "fourier" || page === "real")) {
    return (
      <div class="split both">
        <FourierPage isNarrow />
        <RealPage isNarrow />
      </div>
    );
  }
  switch (page) {
    case "fourier":
      return <FourierPage />;
    case "real":
      return <RealPage />;
    case "series":
      return <SeriesPage />;
    case "import":
      return <ImportPage />;
    case "export":
      return <ExportPage />;
    case "checks":
      return <ChecksPage />;
    case "log":
      return <LogPage />;
    default:
      return <OverviewPage />;
  }
}

/** The window's title tells how far a run is. */
function Title() {
  const name = project.value?.name;
  const now = run.value;
  const progress = now?.is_running ? `${now.watches && now.done >= now.total ? now.done : `${now.done}/${now.total}`} ` : "";
  const failed = counts.value.failed > 0 && now?.is_running ? `${counts.value.failed} failed ` : "";
  const alarmed = freshAlarms.value.length > 0 ? `▲${freshAlarms.value.length} ` : "";
  const title = name ? `${alarmed}${progress}${failed}${name} – Weft` : "Weft";
  useEffect(() => {
    document.title = title;
  }, [title]);
  return null;
}

/** Shown without a valid token. */
export function Gate() {
  return (
    <div class="gate">
      <h1>Weft</h1>
      <p>
        This page needs the whole link that <code>weft serve</code> printed, with the part behind <code>#</code>. Each start
        of the server makes a new one. Paste it into the address bar.
      </p>
    </div>
  );
}
