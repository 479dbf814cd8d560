import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/frame.css";
import "./style/parts.css";
import "./style/pages.css";
import "./style/narrow.css";
import { setToken } from "./api/client";
import { findToken } from "./api/token";
import { App, Gate } from "./app";
import { followTheme } from "./state/theme";

async function begin(): Promise<void> {
  followTheme();
  const root = document.getElementById("app") as HTMLElement;
  const token = await findToken();
  if (token === null) {
    render(<Gate />, root);
    return;
  }
  setToken(token);
  render(<App />, root);
}

void begin();
